"""Furniture: what stands in a room, where it stands, and which of its faces carry things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from envs.playhouse.geometry import Mesh, ball, box, cylinder, join, lathe

#: Shades of furniture that a home chooses for itself (see `SCHEMES`), besides the fixed ones.
TIMBER, FABRIC = "timber", "fabric"

#: (timber, fabric) RGB pairs a home can be furnished in.
SCHEMES: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = (
    ((0.62, 0.44, 0.27), (0.35, 0.46, 0.6)),
    ((0.42, 0.27, 0.17), (0.6, 0.42, 0.38)),
    ((0.82, 0.7, 0.52), (0.45, 0.55, 0.45)),
    ((0.75, 0.73, 0.7), (0.5, 0.42, 0.55)),
    ((0.52, 0.37, 0.25), (0.68, 0.62, 0.5)),
)

#: Centre and half edges of a box, metres.
Box3 = tuple[tuple[float, float, float], tuple[float, float, float]]
#: Edges and bottom centre of a box, metres.
Solid = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Surface:
    """A level rectangle that things can stand on, in the frame of its furniture, metres."""

    x: float
    y: float
    z: float
    half_x: float
    half_y: float


@dataclass(frozen=True)
class Furniture:
    """A piece of furniture; its back is at -x and its front looks to +x.

    Attributes:
        name: Such as "sofa".
        rooms: Kinds of room it belongs to.
        against_wall: Stands with its back to a wall, otherwise free in the room.
        meshes: (shade, mesh) pairs, at most four.
        boxes: Collision boxes as (centre, half edges), metres, at most six.
        surfaces: Where things can stand.
        half_x: Half the footprint's depth, metres.
        half_y: Half the footprint's width, metres.
    """

    name: str
    rooms: tuple[str, ...]
    against_wall: bool
    meshes: tuple[tuple[str, Mesh], ...]
    boxes: tuple[Box3, ...]
    surfaces: tuple[Surface, ...]
    half_x: float
    half_y: float


def _block(shade: str, size: Sequence[float], at: Sequence[float]) -> tuple[str, Mesh]:
    """Return a box of edges `size` whose bottom centre is `at`."""
    return shade, box(*size).moved(*at)


def _legs(shade: str, x: float, y: float, height: float, edge: float = 0.06) -> list[tuple[str, Mesh]]:
    return [_block(shade, (edge, edge, height), (sx * x, sy * y, 0)) for sx in (-1, 1) for sy in (-1, 1)]


def _make(
    name: str,
    rooms: Sequence[str],
    parts: Sequence[tuple[str, Mesh]],
    solids: Sequence[Solid],
    surfaces: Sequence[Surface] = (),
    against_wall: bool = True,
) -> Furniture:
    """Join parts by shade; `solids` are (edges, bottom centre) pairs, as for `_block`."""
    shades = list(dict.fromkeys(shade for shade, _ in parts))
    meshes = tuple((shade, join([mesh for other, mesh in parts if other == shade])) for shade in shades)
    low, high = join([mesh for _, mesh in parts]).bounds
    boxes = tuple(((at[0], at[1], at[2] + size[2] / 2), (size[0] / 2, size[1] / 2, size[2] / 2)) for size, at in solids)
    half_x, half_y = max(-low[0], high[0]), max(-low[1], high[1])
    return Furniture(name, tuple(rooms), against_wall, meshes, boxes, tuple(surfaces), float(half_x), float(half_y))


def _bed() -> Furniture:
    parts = [
        _block(TIMBER, (1.7, 1.0, 0.18), (0, 0, 0.06)),
        _block(TIMBER, (0.07, 1.04, 0.75), (-0.86, 0, 0)),
        _block(TIMBER, (0.06, 1.04, 0.38), (0.85, 0, 0)),
        _block("cream", (1.64, 0.94, 0.16), (0, 0, 0.22)),
        _block(FABRIC, (1.12, 1.0, 0.17), (0.28, 0, 0.225)),
        ("cream", ball(0.2, 0.34, 0.09).moved(-0.6, 0, 0.42)),
    ]
    solids = [((1.76, 1.02, 0.39), (0, 0, 0)), ((0.07, 1.04, 0.75), (-0.86, 0, 0))]
    return _make("bed", ["bedroom"], parts, solids, [Surface(0.28, 0, 0.395, 0.5, 0.42)])


def _sofa() -> Furniture:
    parts = [
        _block(FABRIC, (0.72, 1.5, 0.26), (0, 0, 0.06)),
        _block(FABRIC, (0.2, 1.5, 0.5), (-0.28, 0, 0.2)),
        *[_block(FABRIC, (0.72, 0.18, 0.42), (0, y, 0.06)) for y in (-0.7, 0.7)],
        *[_block("cream", (0.5, 0.58, 0.07), (0.1, y, 0.31)) for y in (-0.3, 0.3)],
        *_legs("tyre", 0.3, 0.7, 0.07),
    ]
    solids = [
        ((0.72, 1.5, 0.38), (0, 0, 0)),
        ((0.2, 1.5, 0.7), (-0.28, 0, 0)),
        ((0.72, 0.18, 0.48), (0, -0.7, 0)),
        ((0.72, 0.18, 0.48), (0, 0.7, 0)),
    ]
    return _make("sofa", ["living room"], parts, solids, [Surface(0.1, 0, 0.38, 0.2, 0.5)])


def _armchair() -> Furniture:
    parts = [
        _block(FABRIC, (0.66, 0.7, 0.3), (0, 0, 0.05)),
        _block(FABRIC, (0.18, 0.7, 0.55), (-0.25, 0, 0.25)),
        *[_block(TIMBER, (0.6, 0.1, 0.5), (0, y, 0.0)) for y in (-0.34, 0.34)],
    ]
    solids: list[Solid] = [((0.66, 0.78, 0.35), (0, 0, 0)), ((0.18, 0.7, 0.8), (-0.25, 0, 0))]
    solids += [((0.6, 0.1, 0.5), (0, y, 0)) for y in (-0.34, 0.34)]
    return _make("armchair", ["living room", "study"], parts, solids)


def _table(name: str, rooms: Sequence[str], x: float, y: float, z: float, wall: bool) -> Furniture:
    parts = [_block(TIMBER, (x, y, 0.05), (0, 0, z - 0.05)), *_legs(TIMBER, x / 2 - 0.06, y / 2 - 0.06, z - 0.05)]
    solids = [((x, y, z), (0, 0, 0))]
    surface = Surface(0, 0, z, x / 2 - 0.06, y / 2 - 0.06)
    return _make(name, rooms, parts, solids, [surface], wall)


def _desk() -> Furniture:
    parts = [
        _block(TIMBER, (0.62, 1.2, 0.05), (0, 0, 0.5)),
        _block(TIMBER, (0.56, 0.36, 0.5), (0, 0.4, 0)),
        _block(TIMBER, (0.56, 0.05, 0.5), (0, -0.56, 0)),
        *[_block("steel", (0.02, 0.14, 0.03), (0.29, 0.4, z)) for z in (0.1, 0.26, 0.4)],
        _block("tyre", (0.04, 0.5, 0.32), (-0.2, -0.2, 0.62)),
        _block("tyre", (0.14, 0.2, 0.07), (-0.2, -0.2, 0.55)),
        _block("glass", (0.01, 0.46, 0.27), (-0.177, -0.2, 0.645)),
    ]
    solids = [((0.62, 1.2, 0.55), (0, 0, 0)), ((0.14, 0.5, 0.4), (-0.2, -0.2, 0.55))]
    return _make("desk", ["study", "bedroom"], parts, solids, [Surface(0.05, 0.36, 0.55, 0.18, 0.16)])


def _shelf() -> Furniture:
    parts = [
        *[_block(TIMBER, (0.34, 0.04, 1.5), (0, y, 0)) for y in (-0.48, 0.48)],
        *[_block(TIMBER, (0.34, 0.96, 0.04), (0, 0, z)) for z in (0.02, 0.5, 0.98, 1.46)],
        _block(TIMBER, (0.02, 0.96, 1.46), (-0.16, 0, 0.02)),
    ]
    for i, shade in enumerate(("clay", "cream", "clay", "cream", "clay", "cream", "clay")):
        parts.append(_block(shade, (0.2, 0.07, 0.26 + 0.03 * (i % 3)), (-0.03, -0.4 + 0.08 * i, 1.02)))
    parts += [_block("steel", (0.2, 0.3, 0.2), (-0.03, 0.24, 1.02))]
    solids: list[Solid] = [((0.34, 1.0, 0.54), (0, 0, 0)), ((0.34, 1.0, 0.56), (0, 0, 0.96))]
    solids += [((0.34, 0.04, 1.5), (0, y, 0)) for y in (-0.48, 0.48)]
    return _make("shelf", ["living room", "study", "bedroom"], parts, solids)


def _sideboard() -> Furniture:
    parts = [
        _block(TIMBER, (0.44, 1.3, 0.44), (0, 0, 0.08)),
        *_legs(TIMBER, 0.18, 0.58, 0.09),
        *[_block("cream", (0.015, 0.38, 0.34), (0.22, y, 0.13)) for y in (-0.41, 0.0, 0.41)],
        *[_block("steel", (0.03, 0.03, 0.1), (0.235, y + 0.13, 0.26)) for y in (-0.41, 0.0, 0.41)],
    ]
    solids = [((0.46, 1.3, 0.52), (0, 0, 0))]
    return _make("sideboard", ["living room", "kitchen"], parts, solids, [Surface(0, 0, 0.52, 0.14, 0.55)])


def _wardrobe() -> Furniture:
    parts = [
        _block(TIMBER, (0.5, 1.0, 1.7), (0, 0, 0.04)),
        _block("cream", (0.02, 0.46, 1.54), (0.25, -0.24, 0.12)),
        _block("cream", (0.02, 0.46, 1.54), (0.25, 0.24, 0.12)),
        *[_block("steel", (0.03, 0.03, 0.2), (0.27, y, 0.8)) for y in (-0.05, 0.05)],
    ]
    return _make("wardrobe", ["bedroom"], parts, [((0.52, 1.0, 1.74), (0, 0, 0))])


def _counter() -> Furniture:
    parts = [
        _block("cream", (0.55, 1.5, 0.52), (0, 0, 0.04)),
        _block("steel", (0.6, 1.54, 0.05), (0, 0, 0.56)),
        *[_block(TIMBER, (0.015, 0.44, 0.42), (0.28, y, 0.1)) for y in (-0.49, 0.0, 0.49)],
        ("tyre", cylinder(0.14, 0.012).moved(0.0, 0.45, 0.61)),
        ("tyre", cylinder(0.11, 0.012).moved(-0.02, 0.12, 0.61)),
    ]
    solids = [((0.6, 1.54, 0.61), (0, 0, 0))]
    return _make("counter", ["kitchen"], parts, solids, [Surface(0.08, -0.38, 0.612, 0.14, 0.3)])


def _fridge() -> Furniture:
    parts = [
        _block("cream", (0.6, 0.62, 1.5), (0, 0, 0.03)),
        _block("steel", (0.02, 0.58, 0.9), (0.3, 0, 0.06)),
        _block("steel", (0.02, 0.58, 0.5), (0.3, 0, 1.0)),
        *[_block("tyre", (0.04, 0.03, 0.26), (0.32, 0.22, z)) for z in (0.64, 1.08)],
    ]
    return _make("fridge", ["kitchen"], parts, [((0.62, 0.62, 1.53), (0, 0, 0))])


def _bathtub() -> Furniture:
    parts = [
        _block("cream", (0.76, 1.5, 0.1), (0, 0, 0)),
        *[_block("cream", (0.09, 1.5, 0.46), (x, 0, 0)) for x in (-0.34, 0.34)],
        *[_block("cream", (0.76, 0.1, 0.46), (0, y, 0)) for y in (-0.7, 0.7)],
        _block("glass", (0.6, 1.32, 0.02), (0, 0, 0.32)),
        _block("steel", (0.12, 0.05, 0.2), (-0.2, -0.7, 0.46)),
    ]
    return _make("bathtub", ["bathroom"], parts, [((0.77, 1.5, 0.46), (0, 0, 0))])


def _toilet() -> Furniture:
    bowl = lathe([(0, 0), (0.15, 0), (0.13, 0.15), (0.24, 0.38), (0.17, 0.38), (0.08, 0.2), (0, 0.2)])
    parts = [
        ("cream", bowl.scaled(1.2, 1, 1).moved(0.06)),
        _block("cream", (0.2, 0.46, 0.75), (-0.28, 0, 0)),
        _block("steel", (0.06, 0.06, 0.03), (-0.28, 0, 0.75)),
    ]
    solids = [((0.56, 0.46, 0.38), (0.06, 0, 0)), ((0.2, 0.46, 0.75), (-0.28, 0, 0))]
    return _make("toilet", ["bathroom"], parts, solids)


def _basin() -> Furniture:
    bowl = lathe([(0.1, 0.5), (0.32, 0.66), (0.32, 0.7), (0.27, 0.7), (0.1, 0.58), (0, 0.58)])
    parts = [
        ("cream", cylinder(0.1, 0.52)),
        ("cream", bowl),
        ("steel", cylinder(0.03, 0.18).moved(-0.27, 0, 0.68)),
        _block("glass", (0.02, 0.5, 0.6), (-0.31, 0, 1.0)),
    ]
    return _make("basin", ["bathroom"], parts, [((0.62, 0.62, 0.7), (0, 0, 0))])


_LIST = (
    _bed(),
    _sofa(),
    _armchair(),
    _table("dining table", ["kitchen"], 0.9, 1.3, 0.5, False),
    _table("coffee table", ["living room"], 0.6, 1.0, 0.34, False),
    _table("side table", ["living room", "bedroom", "study", "playroom"], 0.5, 0.5, 0.4, True),
    _table("bench", ["playroom", "bathroom", "kitchen"], 0.45, 1.1, 0.36, True),
    _desk(),
    _shelf(),
    _sideboard(),
    _wardrobe(),
    _counter(),
    _fridge(),
    _bathtub(),
    _toilet(),
    _basin(),
)

#: Every piece of furniture by name.
FURNITURE: dict[str, Furniture] = {piece.name: piece for piece in _LIST}

#: What a room of each kind tries to hold, most characteristic first.
ROOM_KINDS: dict[str, tuple[str, ...]] = {
    "playroom": ("bench", "side table"),
    "living room": ("sofa", "coffee table", "shelf", "sideboard", "armchair", "side table"),
    "bedroom": ("bed", "wardrobe", "side table", "desk"),
    "kitchen": ("counter", "fridge", "dining table", "bench", "sideboard"),
    "study": ("desk", "shelf", "armchair", "side table"),
    "bathroom": ("bathtub", "toilet", "basin", "bench"),
}
