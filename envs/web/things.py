"""Shapes of things, each drawn in many ways: no two mugs of the web are alike.

The categories share their names with things of the playhouse and of the world, and no mesh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from envs.playhouse.geometry import join
from envs.web import shapes_household as household
from envs.web import shapes_toys as toys
from envs.web.parts import DARK, MAIN, SECOND, Draw, Part


@dataclass(frozen=True)
class Shape:
    """One way a thing can look.

    Attributes:
        name: Name of its category, as captions say.
        parts: One mesh a shade, standing on z = 0, centred in x and y, its longest edge one metre.
        height: Metres.
    """

    name: str
    parts: tuple[Part, ...]
    height: float


CATEGORIES: Mapping[str, Callable[[Draw], list[Part]]] = {
    "ball": toys.toy_ball,
    "boat": toys.boat,
    "chair": toys.chair,
    "drum": toys.drum,
    "duck": toys.duck,
    "mug": toys.mug,
    "plane": toys.plane,
    "roll": toys.roll,
    "rocket": toys.rocket,
    "table lamp": toys.lamp,
    "teddy": toys.teddy,
    "train": toys.train,
    "bottle": household.bottle,
    "book": household.book,
    "car": household.car,
    "clock": household.clock,
    "star": household.star_shape,
    "umbrella": household.umbrella,
    "hat": household.hat,
    "candle": household.candle,
    "vase": household.vase,
    "box": household.parcel,
    "tree": household.tree,
    "bucket": household.bucket,
}
#: Other names that captions use for a category.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "ball": ("ball", "ball", "beach ball", "toy ball"),
    "boat": ("boat", "boat", "toy boat", "sailboat"),
    "drum": ("drum", "drum", "toy drum"),
    "duck": ("duck", "duck", "rubber duck", "toy duck"),
    "mug": ("mug", "mug", "coffee mug", "cup"),
    "plane": ("plane", "plane", "airplane", "toy plane"),
    "roll": ("roll", "roll", "paper roll", "roll of paper"),
    "rocket": ("rocket", "rocket", "toy rocket", "spaceship"),
    "table lamp": ("table lamp", "table lamp", "lamp", "desk lamp"),
    "teddy": ("teddy", "teddy", "teddy bear", "stuffed bear"),
    "train": ("train", "train", "toy train", "locomotive"),
}


def draw_shape(name: str, rng: np.random.Generator) -> Shape:
    """Draw one way a thing can look; `name` is a key of `CATEGORIES`."""
    parts = CATEGORIES[name](Draw(rng))
    low, high = join([mesh for _, mesh in parts]).bounds
    scale, middle = 1.0 / float((high - low).max()), (low + high) / 2
    merged = tuple(
        (
            shade,
            join([mesh for other, mesh in parts if other == shade])
            .moved(-middle[0], -middle[1], -low[2])
            .scaled(scale),
        )
        for shade in (MAIN, SECOND, DARK)
        if any(other == shade for other, _ in parts)
    )
    return Shape(name, merged, float(high[2] - low[2]) * scale)
