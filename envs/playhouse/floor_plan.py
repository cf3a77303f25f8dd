"""Rooms, doorways and walls of a home, drawn from a seed.

Rooms lie in one or two rows of rectangles; a random spanning tree of doorways joins them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

WALL_HEIGHT = 2.3
WALL_THICKNESS = 0.12
DOOR_WIDTH = 1.2
DOOR_HEIGHT = 1.9

#: Ways to lay out a number of rooms in rows.
_ROWS: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((1,),),
    2: ((2,),),
    3: ((2, 1), (3,)),
    4: ((2, 2),),
    5: ((3, 2), (2, 3)),
}


@dataclass(frozen=True)
class Room:
    """An axis-aligned room, metres; `kind` is a key of `catalog.furniture.ROOM_KINDS`."""

    x0: float
    y0: float
    x1: float
    y1: float
    kind: str

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the room, metres."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


@dataclass(frozen=True)
class Door:
    """A doorway at (x, y); `along_x` says that its wall runs along x."""

    x: float
    y: float
    along_x: bool


@dataclass(frozen=True)
class WallPiece:
    """An upright slab from (x0, y0) to (x1, y1), axis-aligned, between two heights, metres."""

    x0: float
    y0: float
    x1: float
    y1: float
    low: float
    high: float
    texture: int


def draw_rooms(rng: np.random.Generator, count: int, side: tuple[float, float], kinds: list[str]) -> list[Room]:
    """Return `count` rooms in rows, centred on the origin, of the given kinds."""
    options = _ROWS[count]
    rows = options[int(rng.integers(len(options)))]
    width = max(rows) * float(rng.uniform(*side))
    depths = [float(rng.uniform(*side)) for _ in rows]
    rooms: list[Room] = []
    y = -sum(depths) / 2
    for number, depth in zip(rows, depths, strict=True):
        shares = rng.uniform(0.85, 1.15, size=number)
        edges = -width / 2 + np.concatenate([[0.0], np.cumsum(shares / shares.sum())]) * width
        for x0, x1 in pairwise(edges):
            rooms.append(Room(float(x0), y, float(x1), y + depth, kinds[len(rooms)]))
        y += depth
    return rooms


def draw_doors(rng: np.random.Generator, rooms: list[Room]) -> list[Door]:
    """Return doorways that join all rooms: a random spanning tree, and now and then one more."""
    candidates = []
    for i, a in enumerate(rooms):
        for j in range(i + 1, len(rooms)):
            b = rooms[j]
            if abs(a.x1 - b.x0) < 1e-6 and a.y0 == b.y0:
                candidates.append((i, j, False, a.x1, a.y0, a.y1))
            elif abs(a.y1 - b.y0) < 1e-6:
                candidates.append((i, j, True, a.y1, max(a.x0, b.x0), min(a.x1, b.x1)))
    group = list(range(len(rooms)))
    doors = []
    for index in rng.permutation(len(candidates)):
        i, j, along_x, line, low, high = candidates[index]
        margin = DOOR_WIDTH / 2 + 0.25
        if high - low < 2 * margin or (group[i] == group[j] and rng.random() > 0.35):
            continue
        at = float(rng.uniform(low + margin, high - margin))
        doors.append(Door(at, line, True) if along_x else Door(line, at, False))
        group = [group[i] if g == group[j] else g for g in group]
    return doors


def build_walls(rng: np.random.Generator, rooms: list[Room], doors: list[Door], textures: int) -> list[WallPiece]:
    """Return slabs around and between the rooms, with openings and lintels at the doors."""
    lines: set[tuple[bool, float, float, float]] = set()
    x_low, x_high = min(r.x0 for r in rooms), max(r.x1 for r in rooms)
    for room in rooms:
        lines.add((True, round(room.y0, 6), x_low, x_high))
        lines.add((True, round(room.y1, 6), x_low, x_high))
        lines.add((False, round(room.x0, 6), room.y0, room.y1))
        lines.add((False, round(room.x1, 6), room.y0, room.y1))
    pieces = []
    for along_x, line, low, high in sorted(lines):
        texture = int(rng.integers(textures))
        at = sorted(
            (door.x if along_x else door.y)
            for door in doors
            if door.along_x == along_x
            and abs((door.y if along_x else door.x) - line) < 1e-5
            and low < (door.x if along_x else door.y) < high
        )
        edges = [low, *[edge for door in at for edge in (door - DOOR_WIDTH / 2, door + DOOR_WIDTH / 2)], high]
        for k, (start, stop) in enumerate(pairwise(edges)):
            bottom = DOOR_HEIGHT if k % 2 else 0.0
            ends = (start, line, stop, line) if along_x else (line, start, line, stop)
            pieces.append(WallPiece(*ends, bottom, WALL_HEIGHT, texture))
    return pieces
