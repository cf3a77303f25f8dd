"""Presets: how large and how full the playhouse is."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from envs.playhouse.catalog import CATEGORIES, COLOURS, find_category, find_colour
from envs.playhouse.errors import UnknownNameError
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import StrictConfig

Family = Literal["find", "lift", "pick_place"]
FAMILIES: tuple[Family, ...] = ("find", "lift", "pick_place")
ActionSet = Literal["walk", "full"]

FOLDER = Path(__file__).parent / "presets"


class Preset(StrictConfig):
    """Everything that decides how homes and episodes are drawn.

    Attributes:
        name: Name of the YAML file.
        rooms: Fewest and most rooms, 1 to 5.
        room_side: Shortest and longest side of a room, metres.
        furniture_per_room: Fewest and most pieces a room tries to hold.
        objects: Movable things in an episode.
        categories: What they can be, or "all".
        colours: Which colours they can have, or "all".
        on_furniture: Chance that a thing stands on furniture instead of the floor.
        train_homes: Number of homes of the training split; their seeds count from 0.
        held_out_homes: Number of homes never trained in; their seeds count from 1,000,000.
        max_episode_steps: Time limit by family.
        action_sets: "walk" (forward, turn left, turn right) or "full", by family.
        antialiasing: Samples a pixel; 0 draws about twice as fast as 4.
    """

    name: str
    rooms: tuple[int, int]
    room_side: tuple[float, float]
    furniture_per_room: tuple[int, int]
    objects: int = Field(ge=3, le=24)
    categories: tuple[str, ...] | Literal["all"]
    colours: tuple[str, ...] | Literal["all"]
    on_furniture: float = Field(ge=0.0, le=1.0)
    train_homes: int = Field(ge=1, lt=1_000_000)
    held_out_homes: int = Field(ge=1, lt=1_000_000)
    max_episode_steps: dict[Family, int]
    action_sets: dict[Family, ActionSet]
    antialiasing: Literal[0, 2, 4] = 0

    @model_validator(mode="after")
    def _is_sound(self) -> Preset:
        if not 1 <= self.rooms[0] <= self.rooms[1] <= 5:
            raise ValueError(f"rooms is {list(self.rooms)}; give [fewest, most] between 1 and 5")
        if not 3.0 <= self.room_side[0] <= self.room_side[1] <= 8.0:
            raise ValueError(f"room_side is {list(self.room_side)}; give [shortest, longest] between 3 and 8 m")
        if not 0 <= self.furniture_per_room[0] <= self.furniture_per_room[1] <= 6:
            raise ValueError("furniture_per_room needs [fewest, most] between 0 and 6")
        for colour in self.colour_names:
            find_colour(colour)
        if len(self.colour_names) < 2:
            raise ValueError("colours needs at least two names: goals tell things apart by colour")
        missing = set(FAMILIES) - set(self.max_episode_steps) | set(FAMILIES) - set(self.action_sets)
        if missing:
            raise ValueError(f"max_episode_steps and action_sets need every family; missing: {sorted(missing)}")
        return self

    @property
    def colour_names(self) -> tuple[str, ...]:
        """Colours in use."""
        return tuple(COLOURS) if self.colours == "all" else self.colours

    def category_names(self, extra: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the categories in use; `extra` are those of an asset pack, which always take part.

        Raises:
            UnknownNameError: A listed category does not exist.
        """
        if self.categories == "all":
            return tuple(dict.fromkeys([*CATEGORIES, *extra]))
        for name in self.categories:
            if name not in extra:
                find_category(name)
        return tuple(dict.fromkeys([*self.categories, *extra]))

    @property
    def furniture_slots(self) -> int:
        """Most pieces of furniture in one home."""
        return self.rooms[1] * self.furniture_per_room[1]


def preset_names() -> list[str]:
    """Name of the packaged presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@lru_cache(maxsize=32)
def load_preset(name: str) -> Preset:
    """Return a packaged preset by name, or one from a path that ends in `.yaml`.

    Raises:
        UnknownNameError: No packaged preset has this name.
        ConfigError: The file is missing or holds a bad value.
    """
    if name.endswith(".yaml"):
        return Preset.from_yaml(name)
    if name not in preset_names():
        raise UnknownNameError.of("preset", name, preset_names())
    return Preset.from_yaml(FOLDER / f"{name}.yaml")


def home_seeds(preset: Preset, split: str) -> range:
    """Return the seeds of the homes of a split; the two never overlap.

    Raises:
        ConfigError: Not "train" or "held_out".
    """
    if split == "train":
        return range(preset.train_homes)
    if split == "held_out":
        return range(1_000_000, 1_000_000 + preset.held_out_homes)
    raise ConfigError(f"unknown split {split!r}; use 'train' or 'held_out'")
