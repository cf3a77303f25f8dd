"""Goals of the three families, as structure; their words are data in `wording/goals.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from envs.playhouse.catalog import find_category, find_colour
from envs.playhouse.catalog.category import Category
from envs.playhouse.errors import ImpossibleGoalError, UnknownNameError
from envs.playhouse.presets import FAMILIES, Family
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import Goal
from vlm_rewards.strict_config import read_yaml

WORDING_PATH = Path(__file__).parent / "wording" / "goals.yaml"

#: (category, colour) of a thing; the colour is None where any will do.
Pair = tuple[str, str | None]


@dataclass(frozen=True)
class PlayhouseGoal:
    """What one episode asks for.

    Attributes:
        family: "find", "lift" or "pick_place".
        thing: What to go near, lift or carry.
        other: What to put it next to (`pick_place` only).
    """

    family: Family
    thing: Pair
    other: Pair | None = None

    @property
    def id(self) -> str:
        """Such as `find.green.roll` or `pick_place.any.table_lamp.any.plane`."""
        pairs = [self.thing] + ([self.other] if self.other else [])
        return ".".join([self.family, *[f"{colour or 'any'}.{name.replace(' ', '_')}" for name, colour in pairs]])

    @classmethod
    def from_id(cls, goal_id: str, categories: dict[str, Category] | None = None) -> PlayhouseGoal:
        """Return the goal of an id.

        Raises:
            UnknownNameError: Its family, a category or a colour does not exist.
            ImpossibleGoalError: A thing is to be put next to itself.
            ConfigError: The id does not have the form `FAMILY.COLOUR.CATEGORY[.COLOUR.CATEGORY]`.
        """
        family, *words = goal_id.split(".")
        if family not in FAMILIES:
            raise UnknownNameError.of("goal family", family, FAMILIES)
        if len(words) != (4 if family == "pick_place" else 2):
            form = "FAMILY.COLOUR.CATEGORY" + (".COLOUR.CATEGORY" if family == "pick_place" else "")
            raise ConfigError(f"goal id {goal_id!r} does not read {form}; write any for any colour")
        pairs: list[Pair] = []
        for colour, word in zip(words[::2], words[1::2], strict=True):
            name = word.replace("_", " ")
            find_category(name, categories)
            if colour != "any":
                find_colour(colour)
            pairs.append((name, None if colour == "any" else colour))
        goal = cls(family, pairs[0], pairs[1] if len(pairs) > 1 else None)
        goal.check()
        return goal

    def check(self) -> None:
        """Refuse what no state can satisfy.

        Raises:
            ImpossibleGoalError: A thing is to be put next to itself.
        """
        if self.other is None:
            return
        (name, colour), (other_name, other_colour) = self.thing, self.other
        if name == other_name and (colour == other_colour or colour is None or other_colour is None):
            raise ImpossibleGoalError(
                f"{self.id!r} asks to put a thing next to itself; name two categories, or two colours"
            )

    def matches(self, category: str, colour: str) -> bool:
        """Return whether a thing would be taken for the one that this goal names first."""
        return self.thing[0] == category and self.thing[1] in (None, colour)

    def worded(self) -> Goal:
        """Return the goal in words: instruction for the policy, subject for the reward model."""
        words, blanks = _wording()[self.family], self._blanks()
        return Goal(
            id=self.id, subject=words["subject"].format(**blanks), instruction=words["instruction"].format(**blanks)
        )

    def not_yet_captions(self) -> tuple[str, ...]:
        """Return the image captions of views in which the thing is there but the goal does not hold."""
        return tuple(form.format(**self._blanks()) for form in _wording()[self.family]["not_yet"])

    def _blanks(self) -> dict[str, str]:
        return {"thing": noun_phrase(self.thing), "other": noun_phrase(self.other) if self.other else ""}


def noun_phrase(pair: Pair) -> str:
    """Return words such as "an orange mug" or "a plane"."""
    name, colour = pair
    words = f"{colour} {name}" if colour else name
    return f"{'an' if words[0] in 'aeio' or words.startswith('umb') else 'a'} {words}"


def empty_captions() -> tuple[str, ...]:
    """Return the image captions of views that show no thing at all."""
    return tuple(_wording()["nothing"])


def wording_version() -> int:
    """Return the version of the wording."""
    return int(_wording()["version"])


@lru_cache(maxsize=1)
def _wording() -> dict[str, Any]:
    return read_yaml(WORDING_PATH)
