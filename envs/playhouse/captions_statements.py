"""What a view shows, as true captions, and as pairs of a true caption and a false one that is close to it.

The forms are data in `wording/captions.yaml`; geometry decides which of them are true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from pathlib import Path
from typing import TypeVar

import numpy as np

from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.goals import noun_phrase
from envs.playhouse.ground_truth import AT_REST, BESIDE, SAME_LEVEL
from envs.playhouse.scene import Thing
from vlm_rewards.strict_config import read_yaml

T = TypeVar("T")

_PATH = Path(__file__).parent / "wording" / "captions.yaml"
#: A thing whose lowest corner is below this height, in metres, stands on the floor.
_FLOOR = 0.06
#: Pairs of a true and a false caption that a view offers; every second one, from the first on, is about what was
#: staged.
_CONTRASTS = 6
# What a statement about one thing turns into when one fact is wrong.
_FLIPS: dict[str, tuple[str, ...]] = {
    "near": ("far",),
    "far": ("near",),
    "held": ("touched", "standing"),
    "touched": ("held", "held", "standing"),
    "standing": ("held", "touched"),
    "floor": ("furniture",),
    "furniture": ("floor",),
}


@dataclass(frozen=True)
class Statement:
    """A fact about one thing or two, by slot; `kind` is a key of `wording/captions.yaml`."""

    kind: str
    slot: int | None = None
    other: int | None = None


@dataclass(frozen=True)
class Description:
    """What a view shows.

    Attributes:
        captions: Distinct; every form that is true.
        contrasts: Pairs of a true caption and a false one, drawn at random; none of the false ones is in `captions`.
        nearest: Slot of the nearest thing in the picture, or None.
    """

    captions: tuple[str, ...]
    contrasts: tuple[tuple[str, str], ...]
    nearest: int | None


def describe(
    env: PlayhouseEnv, rng: np.random.Generator, staged: int = 0, stressed: tuple[str, ...] = ()
) -> Description:
    """Describe the present view.

    Args:
        env: Whose scene it is.
        rng: Draws the contrasts.
        staged: How many of the first slots the picture is about.
        stressed: Kinds of statement that the picture was staged for, as far as they are true of it: every second
            contrast turns one of these about the first thing into what it is not.
    """
    things = env.scene.things
    shown = [slot for slot in range(len(things)) if env.truth.is_visible(slot)]
    statements = _true_statements(env, shown)
    captions = [caption for each in statements for caption in _worded(each, things)]
    x, y, _, _ = env.agent.pose
    distances = {slot: float(np.hypot(*(env.scene.centre(slot)[:2] - (x, y)))) for slot in shown}
    contrasts = _contrasts(env, rng, shown, statements, set(captions), staged, stressed)
    return Description(
        tuple(dict.fromkeys(captions)), contrasts, min(distances, key=distances.__getitem__, default=None)
    )


def _true_statements(env: PlayhouseEnv, shown: list[int]) -> list[Statement]:
    truth, scene, held = env.truth, env.scene, env.agent.held
    stated: list[Statement] = []
    for slot in shown:
        stated.append(Statement("near" if truth.is_near(slot) else "far", slot))
        if held == slot:
            stated.append(Statement("held" if truth.is_lifted(slot) else "touched", slot))
        elif np.linalg.norm(scene.velocity(slot)) <= AT_REST:
            stated.append(Statement("standing", slot))
            stated.append(Statement("floor" if scene.lowest(slot) < _FLOOR else "furniture", slot))
        if len(shown) == 1:
            stated.append(Statement("alone", slot))
    for slot, other in permutations(shown, 2):
        moving = max(np.linalg.norm(scene.velocity(each)) for each in (slot, other)) > AT_REST
        if held in (slot, other) or moving:
            continue
        gap = scene.centre(slot) - scene.centre(other)
        level = abs(scene.lowest(slot) - scene.lowest(other))
        beside = np.hypot(gap[0], gap[1]) <= BESIDE and level <= SAME_LEVEL
        stated.append(Statement("beside" if beside else "apart", slot, other))
    return stated or [Statement("empty")] if not shown else stated


def _contrasts(
    env: PlayhouseEnv,
    rng: np.random.Generator,
    shown: list[int],
    statements: list[Statement],
    true: set[str],
    staged: int,
    stressed: tuple[str, ...],
) -> tuple[tuple[str, str], ...]:
    things, held = env.scene.things, env.agent.held
    drawn: dict[tuple[str, str], None] = {}
    about = [each for each in statements if each.slot is not None and each.slot < staged]
    decisive = [each for each in about if each.slot == 0 and each.kind in stressed]
    for _ in range(3 * _CONTRASTS):
        if len(drawn) == _CONTRASTS:
            break
        decides = bool(decisive) and len(drawn) % 2 == 0
        others = about if about and rng.random() < 0.5 else statements
        pool = decisive if decides else others
        # By kind first: a picture of five things has twenty statements of two, and few of each other kind.
        kinds = sorted({each.kind for each in pool})
        kind = kinds[int(rng.integers(len(kinds)))]
        fact = _one([each for each in pool if each.kind == kind], rng)
        swap = not decides and rng.random() < 0.6
        false = _swapped(env, rng, fact, things) if swap else _flipped(rng, fact, shown, held, things)
        if false is None:
            continue
        pair = (_one(_worded(fact, things), rng), false)
        if pair[1] not in true:
            drawn[pair] = None
    return tuple(drawn)


def _flipped(
    rng: np.random.Generator, fact: Statement, shown: list[int], held: int | None, things: tuple[Thing, ...]
) -> str | None:
    """Return a caption of the same things with another relation or state."""
    others = [slot for slot in shown if slot != fact.slot]
    kind = fact.kind
    if kind in ("beside", "apart"):
        turned = Statement("beside" if kind == "apart" else "apart", fact.slot, fact.other)
        if kind == "beside" and rng.random() < 0.4:
            turned = Statement(_one(["held", "alone"], rng), fact.slot)
    elif kind in ("held", "touched") and others and rng.random() < 0.6:
        # What is carried is never placed, however near it is.
        turned = Statement(_one(["beside", "beside", "apart"], rng), fact.slot, _one(others, rng))
    elif kind in _FLIPS:
        turned = Statement(_one(list(_FLIPS[kind]), rng), fact.slot)
    elif kind == "alone":
        turned = Statement("empty")
    else:
        return None
    return _one(_worded(turned, things), rng)


def _swapped(env: PlayhouseEnv, rng: np.random.Generator, fact: Statement, things: tuple[Thing, ...]) -> str | None:
    """Return the same fact of a thing that is not in the scene: another colour, another category, or both."""
    if fact.slot is None:
        return _one(_worded(Statement("alone", 0), (_any_thing(env, rng),)), rng)
    thing = things[fact.slot]
    kind = rng.random()
    imagined = _any_thing(env, rng)
    category = thing.category if kind < 0.45 else imagined.category
    colour = thing.colour if kind > 0.55 else imagined.colour
    if any(each.category == category and each.colour == colour for each in things):
        return None
    words = {"thing": noun_phrase((category, colour)), "other": _words(things, fact.other)}
    if fact.other is not None and rng.random() < 0.5:
        words = {"thing": words["other"], "other": words["thing"]}
    return _one([form.format(**words) for form in forms()[fact.kind]], rng)


def _any_thing(env: PlayhouseEnv, rng: np.random.Generator) -> Thing:
    names, colours = env.preset.category_names(), env.preset.colour_names
    return Thing(_one(list(names), rng), _one(list(colours), rng), 0.0, 0.0, 0.0, 0.0)


def _worded(fact: Statement, things: tuple[Thing, ...]) -> list[str]:
    words = {"thing": _words(things, fact.slot), "other": _words(things, fact.other)}
    return [form.format(**words) for form in forms()[fact.kind]]


def _words(things: tuple[Thing, ...], slot: int | None) -> str:
    return "" if slot is None else noun_phrase((things[slot].category, things[slot].colour))


def _one(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


@lru_cache(maxsize=1)
def forms() -> dict[str, list[str]]:
    """Return the forms of captions by statement."""
    return read_yaml(_PATH)
