"""A home: rooms, walls, furniture, decoration and light, all drawn from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from envs.playhouse.catalog.furniture import FURNITURE, ROOM_KINDS, SCHEMES, Furniture, Surface
from envs.playhouse.floor_plan import (
    DOOR_WIDTH,
    WALL_THICKNESS,
    Door,
    Room,
    WallPiece,
    build_walls,
    draw_doors,
    draw_rooms,
)
from envs.playhouse.navigation import NavGrid, Rectangle
from envs.playhouse.presets import Preset
from envs.playhouse.textures import DECOR, FLOORS, WALLS

#: Most decorations in a home: the visual slots of the model.
DECOR_SLOTS = 8


@dataclass(frozen=True)
class PlacedFurniture:
    """A piece of furniture at (x, y), turned by a multiple of 90 degrees about z."""

    piece: Furniture
    x: float
    y: float
    quarter_turns: int

    @property
    def rectangle(self) -> Rectangle:
        """Footprint (x0, y0, x1, y1), metres."""
        hx, hy = self.piece.half_x, self.piece.half_y
        if self.quarter_turns % 2:
            hx, hy = hy, hx
        return self.x - hx, self.y - hy, self.x + hx, self.y + hy

    def boxes(self) -> list[list[list[float]]]:
        """Return the lowest and highest corners of the collision boxes in world coordinates, metres."""
        placed = []
        cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[self.quarter_turns % 4]
        for (cx, cy, cz), (hx, hy, hz) in self.piece.boxes:
            x, y = self.x + cos * cx - sin * cy, self.y + sin * cx + cos * cy
            if self.quarter_turns % 2:
                hx, hy = hy, hx
            placed.append([[x - hx, y - hy, cz - hz], [x + hx, y + hy, cz + hz]])
        return placed

    def surfaces(self) -> list[Surface]:
        """Return the surfaces in world coordinates."""
        placed = []
        for s in self.piece.surfaces:
            cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[self.quarter_turns % 4]
            half = (s.half_y, s.half_x) if self.quarter_turns % 2 else (s.half_x, s.half_y)
            placed.append(Surface(self.x + cos * s.x - sin * s.y, self.y + sin * s.x + cos * s.y, s.z, *half))
        return placed


@dataclass(frozen=True)
class Decoration:
    """A flat picture or window on a wall at (x, y), facing a multiple of 90 degrees; sizes in metres."""

    texture: int
    x: float
    y: float
    quarter_turns: int
    width: float
    height: float


@dataclass(frozen=True)
class Home:
    """One procedurally generated home.

    Attributes:
        seed: That it was drawn from.
        rooms, doors, walls, furniture, decor: what it is made of.
        floors: Index of the floor texture, by room.
        scheme: Index into `SCHEMES`: colours of timber and fabric.
        ambient: Ambient light in [0.42, 0.56].
        sun: Diffuse light in [0.25, 0.5].
        sun_direction: Unit vector of the light, pointing down.
        nav: Free cells; only the largest connected area counts as free.
        solids: float (M, 2, 3), lowest and highest corners of all walls and pieces of furniture.
    """

    seed: int
    rooms: tuple[Room, ...]
    doors: tuple[Door, ...]
    walls: tuple[WallPiece, ...]
    furniture: tuple[PlacedFurniture, ...]
    decor: tuple[Decoration, ...]
    floors: tuple[int, ...]
    scheme: int
    ambient: float
    sun: float
    sun_direction: tuple[float, float, float]
    nav: NavGrid
    solids: np.ndarray


@lru_cache(maxsize=64)
def _draw_home(room_counts: tuple[int, int], side: tuple[float, float], pieces: tuple[int, int], seed: int) -> Home:
    rng = np.random.default_rng([seed, 7919])
    count = int(rng.integers(room_counts[0], room_counts[1] + 1))
    names = [kind for kind in ROOM_KINDS if kind != "bathroom" or count > 1]
    kinds = [str(kind) for kind in rng.permutation(names)[:count]]
    rooms = draw_rooms(rng, count, side, kinds)
    doors = draw_doors(rng, rooms)
    walls = build_walls(rng, rooms, doors, len(WALLS))
    furniture: list[PlacedFurniture] = []
    for room in rooms:
        wanted = int(rng.integers(pieces[0], pieces[1] + 1))
        furniture += _furnish(rng, room, doors, wanted)
    nav = _nav(rooms, walls, furniture)
    while not _joins_all_rooms(nav, rooms, doors):
        furniture.pop()
        nav = _nav(rooms, walls, furniture)
    angle = rng.uniform(0, 2 * np.pi)
    slant = rng.uniform(0.25, 0.6)
    direction = np.array([slant * np.cos(angle), slant * np.sin(angle), -1.0])
    direction /= np.linalg.norm(direction)
    return Home(
        seed=seed,
        rooms=tuple(rooms),
        doors=tuple(doors),
        walls=tuple(walls),
        furniture=tuple(furniture),
        decor=tuple(_decorate(rng, rooms, doors, furniture)),
        floors=tuple(int(i) for i in rng.integers(len(FLOORS), size=count)),
        scheme=int(rng.integers(len(SCHEMES))),
        ambient=float(rng.uniform(0.42, 0.56)),
        sun=float(rng.uniform(0.28, 0.46)),
        sun_direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        nav=NavGrid(nav.origin, nav.largest_component()),
        solids=_solids(walls, furniture),
    )


def generate_home(preset: Preset, seed: int) -> Home:
    """Return the home of this preset and seed; the last 64 are kept."""
    return _draw_home(preset.rooms, preset.room_side, preset.furniture_per_room, seed)


def _solids(walls: list[WallPiece], furniture: list[PlacedFurniture]) -> np.ndarray:
    boxes = []
    for wall in walls:
        x0, y0, x1, y1 = _wall_rectangle(wall)
        boxes.append([[x0, y0, wall.low], [x1, y1, wall.high]])
    for placed in furniture:
        boxes += placed.boxes()
    return np.array(boxes)


def _wall_rectangle(wall: WallPiece) -> Rectangle:
    half = WALL_THICKNESS / 2
    return wall.x0 - half, wall.y0 - half, wall.x1 + half, wall.y1 + half


def _nav(rooms: list[Room], walls: list[WallPiece], furniture: list[PlacedFurniture]) -> NavGrid:
    bounds = (min(r.x0 for r in rooms), min(r.y0 for r in rooms), max(r.x1 for r in rooms), max(r.y1 for r in rooms))
    solids = [_wall_rectangle(wall) for wall in walls if wall.low == 0.0]
    return NavGrid.of(bounds, solids + [placed.rectangle for placed in furniture])


def _joins_all_rooms(nav: NavGrid, rooms: list[Room], doors: list[Door]) -> bool:
    """Return whether one connected area holds every doorway and at least 1.5 square metres of each room."""
    area = nav.largest_component()
    if not all(area[nav.cell(door.x, door.y)] for door in doors):
        return False
    for room in rooms:
        (i0, j0), (i1, j1) = nav.cell(room.x0, room.y0), nav.cell(room.x1, room.y1)
        if area[i0:i1, j0:j1].sum() < 150:
            return False
    return True


def _furnish(rng: np.random.Generator, room: Room, doors: list[Door], wanted: int) -> list[PlacedFurniture]:
    """Return up to `wanted` pieces for a room, the most characteristic first."""
    placed: list[PlacedFurniture] = []
    for name in ROOM_KINDS[room.kind]:
        if len(placed) == wanted:
            break
        piece = FURNITURE[name]
        for _ in range(25):
            candidate = _propose(rng, room, piece)
            if candidate is not None and _fits(candidate, placed, doors):
                placed.append(candidate)
                break
    return placed


def _propose(rng: np.random.Generator, room: Room, piece: Furniture) -> PlacedFurniture | None:
    """Return a place for `piece`: against one of the walls, or free in the middle. None where it is too large."""
    turns = int(rng.integers(4))
    hx, hy = (piece.half_x, piece.half_y) if turns % 2 == 0 else (piece.half_y, piece.half_x)
    gap = WALL_THICKNESS / 2 + 0.02 if piece.against_wall else 0.95
    x_low, x_high = room.x0 + gap + hx, room.x1 - gap - hx
    y_low, y_high = room.y0 + gap + hy, room.y1 - gap - hy
    if x_low > x_high or y_low > y_high:
        return None
    x, y = float(rng.uniform(x_low, x_high)), float(rng.uniform(y_low, y_high))
    if piece.against_wall:
        # The front of a piece looks to +x: turned by 0 its back stands at the room's low-x wall.
        x = (x_low, x, x_high, x)[turns]
        y = (y, y_low, y, y_high)[turns]
    return PlacedFurniture(piece, x, y, turns)


def _fits(candidate: PlacedFurniture, placed: list[PlacedFurniture], doors: list[Door]) -> bool:
    margin = 0.08 if candidate.piece.against_wall else 0.62
    x0, y0, x1, y1 = candidate.rectangle
    for other in placed:
        u0, v0, u1, v1 = other.rectangle
        gap = margin if other.piece.against_wall else max(margin, 0.62)
        if x0 - gap < u1 and x1 + gap > u0 and y0 - gap < v1 and y1 + gap > v0:
            return False
    clear = DOOR_WIDTH / 2 + 0.3
    return not any(x0 - clear < d.x < x1 + clear and y0 - clear < d.y < y1 + clear for d in doors)


def _decorate(
    rng: np.random.Generator, rooms: list[Room], doors: list[Door], furniture: list[PlacedFurniture]
) -> list[Decoration]:
    """Return windows and pictures, one or two a room, away from doors and tall furniture."""
    decor: list[Decoration] = []
    inset = WALL_THICKNESS / 2 + 0.012
    for room in rooms:
        for turns in rng.permutation(4)[: int(rng.integers(1, 3))]:
            texture = int(rng.integers(len(DECOR)))
            width, height = (1.1, 0.9) if texture == 0 else (0.7, 0.55)
            along = float(rng.uniform(0.3, 0.7))
            x = (room.x0 + inset, room.x0 + along * (room.x1 - room.x0), room.x1 - inset)[(0, 1, 2, 1)[turns]]
            y = (room.y0 + inset, room.y0 + along * (room.y1 - room.y0), room.y1 - inset)[(1, 0, 1, 2)[turns]]
            near_door = any(np.hypot(d.x - x, d.y - y) < DOOR_WIDTH / 2 + width / 2 + 0.1 for d in doors)
            tall = [placed.rectangle for placed in furniture if max(c[2] + h[2] for c, h in placed.piece.boxes) > 1.0]
            hidden = any(x0 - width < x < x1 + width and y0 - width < y < y1 + width for x0, y0, x1, y1 in tall)
            if len(decor) < DECOR_SLOTS and not near_door and not hidden:
                decor.append(Decoration(texture, x, y, int(turns), width, height))
    return decor
