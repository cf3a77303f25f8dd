"""Captioned pictures of the playhouse, for training contrastive models.

Captions say what a view shows, as image captions do; the forms are data in `task_sets/captions.yaml`. As the source of
`experiments.pretrain_clip` it is named `envs.playhouse.captions:random_captioned_view`. No trajectory, reward or
instruction enters: things and eyes are put where the picture wants them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from envs.playhouse.agent import Command
from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.goals import noun_phrase
from envs.playhouse.ground_truth import NEAR
from envs.playhouse.home import Home, generate_home
from envs.playhouse.model import EYE_HEIGHT
from envs.playhouse.presets import Family, home_seeds
from envs.playhouse.scene import Thing
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import read_yaml

_PATH = Path(__file__).parent / "task_sets" / "captions.yaml"
#: Share of the pictures by kind.
_KINDS = {"near": 0.32, "far": 0.2, "held": 0.2, "beside": 0.18, "empty": 0.1}


@dataclass(frozen=True)
class CaptionedView:
    """A view and what it shows.

    Attributes:
        frame: uint8 (height, width, 3).
        captions: distinct sentences, each true of the frame.
        label: kind of view and what it shows, such as `near red mug`; "empty" where it shows no thing.
    """

    frame: np.ndarray
    captions: tuple[str, ...]
    label: str


def random_captioned_view(
    rng: np.random.Generator, height: int, width: int, preset: str = "small", split: str = "train"
) -> CaptionedView:
    """Draw a view and caption it.

    Args:
        rng: decides everything: equal generators give equal views.
        height: of the frame, pixels.
        width: of the frame, pixels.
        preset: of the playhouse: its homes, categories and colours.
        split: homes, "train" or "held_out". Colour-object pairs are drawn from all there are: an off-the-shelf
            model has seen them, too.

    Raises:
        ConfigError: the preset or the split does not exist.
    """
    env = _environment(preset)
    seeds = home_seeds(env.preset, split)
    kinds = list(_KINDS)
    for _ in range(50):
        home = generate_home(env.preset, seeds[int(rng.integers(len(seeds)))])
        kind = kinds[int(rng.choice(len(kinds), p=list(_KINDS.values())))]
        shown = _stage(rng, env, home, kind)
        if shown is None:
            continue
        subjects = [noun_phrase((thing.category, thing.colour)) for thing in shown]
        blanks = {"thing": subjects[0] if subjects else "", "other": subjects[1] if len(subjects) > 1 else ""}
        forms = _forms()[kind]
        chosen = [forms[int(i)] for i in rng.permutation(len(forms))[:4]]
        captions = tuple(dict.fromkeys(form.format(**blanks) for form in chosen))
        label = " ".join([kind, *[f"{thing.colour} {thing.category}" for thing in shown[:1]]])
        return CaptionedView(env.view((height, width)), captions, label)
    raise ConfigError(f"preset {preset!r} offers no view to caption; give it larger rooms")


def _stage(rng: np.random.Generator, env: PlayhouseEnv, home: Home, kind: str) -> list[Thing] | None:
    """Put things and the eye in place; what the captions name, or None where the view does not show it."""
    nav = home.nav
    points = nav.points(nav.free)
    x, y = points[int(rng.integers(len(points)))]
    angle, distance = rng.uniform(0, 2 * np.pi), 0.0
    if kind in ("near", "held", "beside"):
        distance = rng.uniform(0.62, NEAR - 0.05) if kind != "held" else rng.uniform(0.62, 0.9)
    elif kind == "far":
        distance = rng.uniform(NEAR + 0.5, 4.0)
    ex, ey = x - distance * np.cos(angle), y - distance * np.sin(angle)
    if not nav.free[nav.cell(ex, ey)] or np.hypot(*(nav.points(nav.free) - [ex, ey]).T).min() > 0.12:
        return None
    things = [_thing(rng, env, float(x), float(y))]
    if kind == "beside":
        turn, gap = rng.uniform(0, 2 * np.pi), rng.uniform(0.36, 0.6)
        things.append(_thing(rng, env, float(x + gap * np.cos(turn)), float(y + gap * np.sin(turn))))
        if things[0].category == things[1].category:
            return None
    named = [] if kind == "empty" else list(things)
    if kind == "empty":
        things = []
    elif rng.random() < 0.5:
        # Something else in the room, behind what the captions name and to its side.
        for _ in range(2):
            px, py = points[int(rng.integers(len(points)))]
            if min(np.hypot(px - x, py - y), np.hypot(px - ex, py - ey)) > 1.4:
                things.append(_thing(rng, env, float(px), float(py)))
    yaw = angle + rng.uniform(-0.28, 0.28)
    pitch = float(np.clip(-np.arctan2(EYE_HEIGHT - 0.2, max(distance, 0.3)) + rng.uniform(-0.2, 0.2), -1.0, 0.4))
    if kind in ("empty", "far"):
        pitch = float(rng.uniform(-0.5, 0.1))
    if kind == "held":
        yaw, pitch = angle, -float(np.arctan2(EYE_HEIGHT - 0.15, distance))
    env.scene.load(home, things[: env.scene.compiled.object_slots])
    env.agent.reset()
    env.scene.place_agent(float(ex), float(ey), float(yaw), pitch)
    if kind == "held":
        env.agent.act(Command(grip=1.0))
        for _ in range(int(rng.integers(1, 4))):
            env.agent.act(Command(look=1.0, turn=float(rng.uniform(-1, 1))))
        return named if env.truth.is_lifted(0) and env.truth.is_visible(0) else None
    return named if all(env.truth.is_visible(slot) for slot in range(len(named))) else None


def _thing(rng: np.random.Generator, env: PlayhouseEnv, x: float, y: float) -> Thing:
    names, colours = env.preset.category_names(), env.preset.colour_names
    name, colour = names[int(rng.integers(len(names)))], colours[int(rng.integers(len(colours)))]
    return Thing(name, colour, x, y, 0.0, float(rng.uniform(0, 2 * np.pi)))


@lru_cache(maxsize=2)
def _environment(preset: str, family: Family = "lift") -> PlayhouseEnv:
    # Views borrow the simulation of an environment and never its episodes.
    return PlayhouseEnv(family, preset)


@lru_cache(maxsize=1)
def _forms() -> dict[str, Any]:
    return read_yaml(_PATH)
