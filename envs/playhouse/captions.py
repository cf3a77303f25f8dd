"""Captioned pictures of the playhouse, for training contrastive models.

Captions say what a view shows, as image captions do; the forms are data in `wording/captions.yaml`, and geometry
decides which of them are true. As the source of `experiments.pretrain_clip` it is named
`envs.playhouse.captions:random_captioned_view`. No trajectory, reward or instruction enters: things and eyes are put
where the picture wants them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import mujoco
import numpy as np

from envs.playhouse.captions_staging import KINDS, stage
from envs.playhouse.captions_statements import describe
from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.goals import noun_phrase
from envs.playhouse.home import Home, generate_home
from envs.playhouse.presets import Family, home_seeds, load_preset
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import near_matches

# What each kind of picture is staged to tell apart from something else.
_DISTANCE, _HAND, _PLACE = ("near", "far"), ("held", "touched"), ("beside", "apart")
_STRESSED = {
    **dict.fromkeys(("near", "edge", "far"), _DISTANCE),
    **dict.fromkeys(("held", "touched", "carried"), _HAND),
    "released": ("standing", *_PLACE),
    **dict.fromkeys(("beside", "apart"), _PLACE),
}
# How many of the first things a kind of picture is about; every other kind is about the first.
_ABOUT = {"carried": 2, "released": 2, "beside": 2, "apart": 2, "empty": 0, "anywhere": 0}


@dataclass(frozen=True)
class CaptionedView:
    """A view and what it shows.

    Attributes:
        frame: uint8 (height, width, 3).
        captions: Distinct sentences: every form that is true of the frame.
        label: What was staged, such as `near red mug`; of "anywhere" the nearest thing in the picture; "empty" where
            there is none.
        contrasts: Pairs of a true caption and a false one that is close to it, a few of many.
    """

    frame: np.ndarray
    captions: tuple[str, ...]
    label: str
    contrasts: tuple[tuple[str, str], ...] = ()


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
        rng: Decides everything: equal generators give equal views.
        height: Height of the frame, pixels.
        width: Width of the frame, pixels.
        preset: Preset of the playhouse: its homes, categories and colours.
        split: Homes, "train" or "held_out". Colour-object pairs are drawn from all there are: an off-the-shelf
            model has seen them, too.
        kinds: Share of each kind of picture, keys of `KINDS`; None takes `KINDS`.
        smallest_share: Views in which the labelled thing covers less of the frame are drawn again, in [0, 1).
        alone: The same views without the things that were not staged, for where one name has to be the right one.

    Raises:
        ConfigError: The preset, the split or a kind does not exist.
    """
    env = _environment(preset)
    seeds = home_seeds(env.preset, split)
    shares = dict(kinds or KINDS)
    for name in shares:
        if name not in KINDS:
            raise ConfigError(f"unknown kind of view {name!r}; {near_matches(name, KINDS)}")
    names, weights = list(shares), np.array(list(shares.values()), float)
    for _ in range(200):
        home = _home(preset, seeds[int(rng.integers(len(seeds)))])
        kind = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        if not stage(rng, env, home, kind, alone):
            continue
        # A generator of its own: what is contrasted does not decide which view is drawn next.
        described = describe(env, rng.spawn(1)[0], _ABOUT.get(kind, 1), _STRESSED.get(kind, ()))
        nearest = described.nearest
        if kind == "anywhere" and nearest is None and rng.random() < 0.75:
            continue  # half of all glances meet no thing, and say little
        subject = nearest if kind == "anywhere" else None if kind == "empty" else 0
        if subject is not None and smallest_share and _share(env, subject, height, width) < smallest_share:
            continue
        thing = None if subject is None else env.scene.things[subject]
        label = "empty" if thing is None else f"{kind} {thing.colour} {thing.category}"
        return CaptionedView(env.view((height, width)), described.captions, label, described.contrasts)
    raise ConfigError(f"preset {preset!r} offers no view to caption; give it larger rooms")


def thing_words(preset: str = "small") -> tuple[dict[str, str], ...]:
    """Return the words for every thing that a preset's views can show, for captions to choose among.

    Args:
        preset: Preset of the playhouse.

    Returns:
        For each pair of colour and category `{"thing": "a red mug", "colour": "red", "category": "mug"}`.
    """
    offered = load_preset(preset)
    return tuple(
        {"thing": noun_phrase((category, colour)), "colour": colour, "category": category}
        for category in offered.category_names()
        for colour in offered.colour_names
    )


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


@lru_cache(maxsize=2)
def _environment(preset: str, family: Family = "lift") -> PlayhouseEnv:
    # Views borrow the simulation of an environment and never its episodes.
    return PlayhouseEnv(family, preset)


@lru_cache(maxsize=320)
def _home(preset: str, seed: int) -> Home:
    # All training homes of the smallest preset: drawing one costs as much as a picture.
    return generate_home(load_preset(preset), seed)
