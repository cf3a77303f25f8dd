"""A category of movable things: coloured parts on a footprint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from envs.playhouse.geometry import Mesh, join

#: Shade name of the parts that take the colour of the goal.
MAIN = "main"
#: Most distinct shades of one category: the visual geoms of an object slot.
MAX_SHADES = 4

Part = tuple[str, Mesh]


@dataclass(frozen=True)
class Category:
    """What an object of this kind looks like and how much room it takes.

    Attributes:
        name: As it stands in a goal, such as "table lamp".
        meshes: One mesh for each shade, `MAIN` first; metres, standing on z = 0, centred in x and y.
        half_extents: Half the edges of the bounding box, metres (3,): also its collision box.
        texture: Path of an image for the `MAIN` mesh (asset packs only), else None.
        texcoords: float (V, 2) texture coordinates of the `MAIN` mesh, else None.
    """

    name: str
    meshes: tuple[Part, ...]
    half_extents: tuple[float, float, float]
    texture: str | None = None
    texcoords: np.ndarray | None = field(default=None, compare=False)

    @property
    def radius(self) -> float:
        """Radius of the footprint's circle, metres."""
        return float(np.hypot(self.half_extents[0], self.half_extents[1]))


def make_category(name: str, parts: Sequence[Part], size: float) -> Category:
    """Join parts of one shade, stand the whole on z = 0 and scale its longest edge to `size` metres.

    Raises:
        ValueError: No part is `MAIN`, or there are more than `MAX_SHADES` shades.
    """
    shades = sorted({shade for shade, _ in parts}, key=lambda shade: (shade != MAIN, shade))
    if shades[0] != MAIN or len(shades) > MAX_SHADES:
        raise ValueError(f"{name}: needs a {MAIN!r} part and at most {MAX_SHADES} shades, has {shades}")
    low, high = join([mesh for _, mesh in parts]).bounds
    scale = size / float((high - low).max())
    middle = (low + high) / 2
    meshes = tuple(
        (
            shade,
            join([mesh for other, mesh in parts if other == shade])
            .moved(-middle[0], -middle[1], -low[2])
            .scaled(scale),
        )
        for shade in shades
    )
    half = (high - low) / 2 * scale
    return Category(name, meshes, (float(half[0]), float(half[1]), float(half[2])))
