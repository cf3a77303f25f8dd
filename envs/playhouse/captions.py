"""Captioned pictures of the playhouse, for training contrastive models.

Captions say what a view shows, as image captions do; the forms are data in `task_sets/captions.yaml`, and geometry
decides which of them are true. As the source of `experiments.pretrain_clip` it is named
`envs.playhouse.captions:random_captioned_view`. No trajectory, reward or instruction enters: things and eyes are put
where the picture wants them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from envs.playhouse.agent import Command
from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.episode import START_PITCH
from envs.playhouse.goals import noun_phrase
from envs.playhouse.ground_truth import BESIDE, NEAR, SAME_LEVEL
from envs.playhouse.home import Home, generate_home
from envs.playhouse.model import EYE_HEIGHT
from envs.playhouse.presets import Family, home_seeds, load_preset
from envs.playhouse.scene import Thing
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import near_matches, read_yaml

_PATH = Path(__file__).parent / "task_sets" / "captions.yaml"
#: Share of the pictures by what they are staged to show. "anywhere" is a furnished room seen from anywhere in it.
KINDS: Mapping[str, float] = {"near": 0.22, "far": 0.1, "held": 0.2, "beside": 0.15, "empty": 0.05, "anywhere": 0.28}
#: A thing whose lowest corner is below this height, in metres, stands on the floor.
_FLOOR = 0.06


@dataclass(frozen=True)
class CaptionedView:
    """A view and what it shows.

    Attributes:
        frame: uint8 (height, width, 3).
        captions: distinct sentences: every form that is true of the frame.
        label: what was staged, such as `near red mug`; of "anywhere" the nearest thing in the picture; "empty" where
            there is none.
    """

    frame: np.ndarray
    captions: tuple[str, ...]
    label: str


def random_captioned_view(
    rng: np.random.Generator,
    height: int,
    width: int,
    preset: str = "small",
    split: str = "train",
    kinds: Mapping[str, float] | None = None,
    smallest_share: float = 0.0,
    alone: bool = False,
) -> CaptionedView:
    """Draw a view and caption it.

    Args:
        rng: decides everything: equal generators give equal views.
        height: of the frame, pixels.
        width: of the frame, pixels.
        preset: of the playhouse: its homes, categories and colours.
        split: homes, "train" or "held_out". Colour-object pairs are drawn from all there are: an off-the-shelf
            model has seen them, too.
        kinds: share of each kind of picture, keys of `KINDS`; None takes `KINDS`.
        smallest_share: views in which the labelled thing covers less of the frame are drawn again, in [0, 1).
        alone: the same views without the things that were not staged, for where one name has to be the right one.

    Raises:
        ConfigError: the preset, the split or a kind does not exist.
    """
    env = _environment(preset)
    seeds = home_seeds(env.preset, split)
    shares = dict(kinds or KINDS)
    for name in shares:
        if name not in KINDS:
            raise ConfigError(f"unknown kind of view {name!r}; {near_matches(name, KINDS)}")
    names, weights = list(shares), np.array(list(shares.values()), float)
    for _ in range(200):
        home = generate_home(env.preset, seeds[int(rng.integers(len(seeds)))])
        kind = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        staged = _stage_anywhere(rng, env, home) if kind == "anywhere" else _stage(rng, env, home, kind, alone)
        if not staged:
            continue
        captions, nearest = _describe(env)
        if kind == "anywhere" and nearest is None and rng.random() < 0.75:
            continue  # half of all glances meet no thing, and say little
        subject = nearest if kind == "anywhere" else None if kind == "empty" else 0
        if subject is not None and smallest_share and _share(env, subject, height, width) < smallest_share:
            continue
        thing = None if subject is None else env.scene.things[subject]
        label = "empty" if thing is None else f"{kind} {thing.colour} {thing.category}"
        return CaptionedView(env.view((height, width)), captions, label)
    raise ConfigError(f"preset {preset!r} offers no view to caption; give it larger rooms")


def thing_words(preset: str = "small") -> tuple[dict[str, str], ...]:
    """Words for every thing that a preset's views can show, for captions to choose among.

    Args:
        preset: of the playhouse.

    Returns:
        For each pair of colour and category `{"thing": "a red mug", "colour": "red", "category": "mug"}`.
    """
    offered = load_preset(preset)
    return tuple(
        {"thing": noun_phrase((category, colour)), "colour": colour, "category": category}
        for category in offered.category_names()
        for colour in offered.colour_names
    )


def _describe(env: PlayhouseEnv) -> tuple[tuple[str, ...], int | None]:
    """Every caption that is true of the present view, and the slot of the nearest thing in it."""
    truth, scene, held = env.truth, env.scene, env.agent.held
    shown = [slot for slot in range(len(scene.things)) if truth.is_visible(slot)]
    forms, captions = _forms(), list[str]()

    def say(statement: str, slot: int | None = None, other: int | None = None) -> None:
        words = {"thing": _words(scene.things, slot), "other": _words(scene.things, other)}
        captions.extend(form.format(**words) for form in forms[statement])

    for slot in shown:
        say("near" if truth.is_near(slot) else "far", slot)
        if held == slot:
            if truth.is_lifted(slot):
                say("held", slot)
        else:
            say("standing", slot)
            say("floor" if scene.lowest(slot) < _FLOOR else "furniture", slot)
        if len(shown) == 1:
            say("alone", slot)
    for slot, other in permutations(shown, 2):
        if held in (slot, other):
            continue
        gap = scene.centre(slot) - scene.centre(other)
        level = abs(scene.lowest(slot) - scene.lowest(other))
        say("beside" if np.hypot(gap[0], gap[1]) <= BESIDE and level <= SAME_LEVEL else "apart", slot, other)
    if not shown:
        say("empty")
    x, y, _, _ = env.agent.pose
    distances = {slot: float(np.hypot(*(scene.centre(slot)[:2] - (x, y)))) for slot in shown}
    return tuple(dict.fromkeys(captions)), min(distances, key=distances.__getitem__, default=None)


def _words(things: tuple[Thing, ...], slot: int | None) -> str:
    return "" if slot is None else noun_phrase((things[slot].category, things[slot].colour))


def _stage_anywhere(rng: np.random.Generator, env: PlayhouseEnv, home: Home) -> bool:
    """Spread things over a home, on furniture too, and put the eye anywhere between them, looking anywhere."""
    spots = home.nav.points(home.nav.free)
    surfaces = [surface for placed in home.furniture for surface in placed.surfaces()]
    things: list[Thing] = []
    for _ in range(int(rng.integers(2, env.scene.compiled.object_slots + 1))):
        if surfaces and rng.random() < env.preset.on_furniture:
            surface = surfaces[int(rng.integers(len(surfaces)))]
            x = surface.x + rng.uniform(-0.6, 0.6) * surface.half_x
            y = surface.y + rng.uniform(-0.6, 0.6) * surface.half_y
            thing = _thing(rng, env, float(x), float(y), surface.z)
        else:
            x, y = spots[int(rng.integers(len(spots)))]
            thing = _thing(rng, env, float(x), float(y))
        if all(np.hypot(thing.x - other.x, thing.y - other.y) > 0.4 for other in things):
            things.append(thing)
    x, y = spots[int(rng.integers(len(spots)))]
    if any(np.hypot(thing.x - x, thing.y - y) < 0.45 for thing in things):
        return False
    pitch = START_PITCH if rng.random() < 0.5 else float(rng.uniform(-0.8, 0.2))
    env.scene.load(home, things)
    env.agent.reset()
    env.scene.place_agent(float(x), float(y), float(rng.uniform(0, 2 * np.pi)), pitch)
    return True


def _stage(rng: np.random.Generator, env: PlayhouseEnv, home: Home, kind: str, alone: bool) -> bool:
    """Put things and the eye in place for one kind of picture; False where the picture does not show it."""
    nav = home.nav
    points = nav.points(nav.free)
    x, y = points[int(rng.integers(len(points)))]
    angle, distance = rng.uniform(0, 2 * np.pi), 0.0
    if kind in ("near", "held", "beside"):
        distance = rng.uniform(0.62, NEAR - 0.02) if kind != "held" else rng.uniform(0.62, 0.9)
    elif kind == "far":
        distance = rng.uniform(NEAR + 0.1, 4.0)
    ex, ey = x - distance * np.cos(angle), y - distance * np.sin(angle)
    if not nav.free[nav.cell(ex, ey)] or np.hypot(*(nav.points(nav.free) - [ex, ey]).T).min() > 0.12:
        return False
    things = [_thing(rng, env, float(x), float(y))]
    if kind == "beside":
        turn, gap = rng.uniform(0, 2 * np.pi), rng.uniform(0.36, 0.64)
        things.append(_thing(rng, env, float(x + gap * np.cos(turn)), float(y + gap * np.sin(turn))))
        if things[0].category == things[1].category:
            return False
    staged = range(len(things))
    if kind == "empty":
        things, staged = [], range(0)
    elif rng.random() < 0.5:
        # Something else in the room, behind what is staged and to its side.
        for _ in range(2):
            px, py = points[int(rng.integers(len(points)))]
            if min(np.hypot(px - x, py - y), np.hypot(px - ex, py - ey)) > 1.4:
                things.append(_thing(rng, env, float(px), float(py)))
    if alone:
        things = [things[slot] for slot in staged]
    # Half of the pictures have it in the middle, the others anywhere in the field of view.
    aside = 0.28 if rng.random() < 0.5 else 0.7
    yaw = angle + rng.uniform(-aside, aside)
    pitch = float(np.clip(-np.arctan2(EYE_HEIGHT - 0.2, max(distance, 0.3)) + rng.uniform(-0.3, 0.3), -1.0, 0.4))
    if kind in ("empty", "far"):
        pitch = float(rng.uniform(-0.5, 0.1))
    if kind == "held":
        yaw, pitch = angle, -float(np.arctan2(EYE_HEIGHT - 0.15, distance))
    env.scene.load(home, things[: env.scene.compiled.object_slots])
    env.agent.reset()
    env.scene.place_agent(float(ex), float(ey), float(yaw), pitch)
    if kind == "held":
        env.agent.act(Command(grip=1.0))
        if env.agent.held != 0:
            return False
        # One in five is held where it stood: no lift yet, and no caption says so.
        for _ in range(0 if rng.random() < 0.2 else int(rng.integers(1, 4))):
            env.agent.act(Command(look=1.0, turn=float(rng.uniform(-1, 1))))
    return all(env.truth.is_visible(slot) for slot in staged)


def _share(env: PlayhouseEnv, slot: int, height: int, width: int) -> float:
    """Share of the frame whose pixels change when the thing is taken away."""
    shown = env.view((height, width)).astype(np.int16)
    joint = env.scene.data.joint(f"object{slot}")
    pose = joint.qpos.copy()
    joint.qpos[2] -= 50.0
    mujoco.mj_kinematics(env.scene.model, env.scene.data)
    without = env.view((height, width)).astype(np.int16)
    joint.qpos[:] = pose
    mujoco.mj_kinematics(env.scene.model, env.scene.data)
    return float((np.abs(shown - without).max(axis=2) > 8).mean())


def _thing(rng: np.random.Generator, env: PlayhouseEnv, x: float, y: float, z: float = 0.0) -> Thing:
    names, colours = env.preset.category_names(), env.preset.colour_names
    name, colour = names[int(rng.integers(len(names)))], colours[int(rng.integers(len(colours)))]
    return Thing(name, colour, x, y, z, float(rng.uniform(0, 2 * np.pi)))


@lru_cache(maxsize=2)
def _environment(preset: str, family: Family = "lift") -> PlayhouseEnv:
    # Views borrow the simulation of an environment and never its episodes.
    return PlayhouseEnv(family, preset)


@lru_cache(maxsize=1)
def _forms() -> dict[str, Any]:
    return read_yaml(_PATH)
