"""Draws episodes: a home, a goal, things in their places, and where the agent starts.

Every episode that is drawn can be solved: what the goal names stands where the agent can walk up to it and reach it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from envs.playhouse.catalog.category import Category
from envs.playhouse.errors import ImpossibleGoalError
from envs.playhouse.floor_plan import DOOR_WIDTH
from envs.playhouse.goals import Pair, PlayhouseGoal
from envs.playhouse.home import Home
from envs.playhouse.model import EYE_HEIGHT
from envs.playhouse.navigation import AGENT_RADIUS, NavGrid
from envs.playhouse.presets import Preset
from envs.playhouse.scene import Thing
from envs.playhouse.sight import clear_lines

#: Gaze at the start of an episode, radians.
START_PITCH = float(np.deg2rad(-15.0))
#: Distances from a thing at which the agent can stand to grab it, metres.
GRAB_RANGE = (0.6, 0.95)
#: Distances from a thing at which a near start of Find begins: in sight of it, a few steps beyond near, metres.
SIGHT_RANGE = (1.4, 2.4)
#: Largest angle between the thing and the heading of such a start, radians: the thing is in the picture.
SIGHT_ANGLE = float(np.deg2rad(25.0))
#: Clear floor around a thing, metres centre to centre.
SPACING = 0.85
#: Distances between what is carried and where it goes at the start, metres; and those of a near start.
FAR_APART = (1.6, np.inf)
NEAR_APART = (SPACING, 1.3)
#: Distance between the agent and what it must find or lift at the start, metres.
START_DISTANCE = 1.9


@dataclass(frozen=True)
class Episode:
    """One drawn episode.

    Attributes:
        home: Where it takes place.
        goal: What is asked for.
        things: Slot 0 holds what the goal names first, slot 1 what it names second, if anything.
        start: X, y in metres and heading in radians of the agent.
        gaze: Gaze at the start, radians above the horizon.
    """

    home: Home
    goal: PlayhouseGoal
    things: tuple[Thing, ...]
    start: tuple[float, float, float]
    gaze: float = START_PITCH


class EpisodeSampler:
    """Draws episodes of one preset.

    Attributes:
        pairs: Colour-object pairs that may stand around besides those of the goal.
    """

    def __init__(self, preset: Preset, categories: dict[str, Category], pairs: list[tuple[str, str]]) -> None:
        """Draw from these categories; things that no goal names come from `pairs`."""
        self._preset = preset
        self._categories = categories
        self.pairs = pairs

    def draw(
        self, rng: np.random.Generator, home: Home, goal: PlayhouseGoal, apart: tuple[float, float] = FAR_APART
    ) -> Episode:
        """Return an episode of `goal` in `home`.

        Args:
            rng: Draws it.
            home: Where it takes place.
            goal: What is asked for.
            apart: Smallest and largest distance between the two things of a goal that names two, metres.

        Raises:
            ImpossibleGoalError: There was no room for it in 60 attempts.
        """
        for _ in range(60):
            pairs = self._choose_pairs(rng, goal)
            things = self._place(rng, home, goal, pairs, apart)
            if things is None:
                continue
            start = self._choose_start(rng, home, goal, things)
            if start is not None:
                return Episode(home, goal, tuple(things), start)
        raise ImpossibleGoalError(f"home {home.seed} of preset {self._preset.name!r} has no room for {goal.id!r}")

    def within_reach(self, rng: np.random.Generator, episode: Episode) -> Episode:
        """Return the same episode, begun where one grab takes the first thing: before it, and looking at it."""
        start = self._facing(rng, episode, GRAB_RANGE)
        assert start is not None, "what an episode names can be grabbed from somewhere"
        x, y, _ = start
        thing = episode.things[0]
        gaze = -np.arctan2(EYE_HEIGHT - self._middle(thing), np.hypot(thing.x - x, thing.y - y))
        return replace(episode, start=start, gaze=float(gaze))

    def within_sight(self, rng: np.random.Generator, episode: Episode) -> Episode:
        """Return the same episode, begun in sight of the first thing and a few steps away.

        Unchanged where there is no such place.
        """
        start = self._facing(rng, episode, SIGHT_RANGE)
        if start is None:
            return episode
        x, y, heading = start
        return replace(episode, start=(x, y, heading + float(rng.uniform(-SIGHT_ANGLE, SIGHT_ANGLE))))

    def _facing(
        self, rng: np.random.Generator, episode: Episode, between: tuple[float, float]
    ) -> tuple[float, float, float] | None:
        """Return a start that faces the first thing, at these distances from it; None where there is none."""
        home, thing = episode.home, episode.things[0]
        nav = clear_of_things(home.nav, episode.things)
        points = nav.points(self._cells(home, nav, episode.things, 0, between) & nav.largest_component())
        if len(points) == 0:
            return None
        x, y = points[int(rng.integers(len(points)))]
        return float(x), float(y), float(np.arctan2(thing.y - y, thing.x - x))

    def _choose_pairs(self, rng: np.random.Generator, goal: PlayhouseGoal) -> list[tuple[str, str]]:
        """Return what stands around: the goal's things, look-alikes in colour and in kind, then anything else."""
        colours = self._preset.colour_names

        def resolve(pair: Pair) -> tuple[str, str]:
            return pair[0], pair[1] or colours[int(rng.integers(len(colours)))]

        chosen = [resolve(goal.thing)] + ([resolve(goal.other)] if goal.other else [])
        named = [goal.thing] + ([goal.other] if goal.other else [])
        allowed = [
            (name, colour)
            for name, colour in self.pairs
            if not any(name == n and c in (None, colour) for n, c in named)
        ]
        order = [allowed[int(i)] for i in rng.permutation(len(allowed))]
        same_kind = [pair for pair in order if pair[0] == chosen[0][0]][:1]
        same_colour = [pair for pair in order if pair[1] == chosen[0][1]][:1]
        rest = [pair for pair in order if pair not in same_kind + same_colour]
        return (chosen + same_kind + same_colour + rest)[: self._preset.objects]

    def _place(
        self,
        rng: np.random.Generator,
        home: Home,
        goal: PlayhouseGoal,
        pairs: list[tuple[str, str]],
        apart: tuple[float, float],
    ) -> list[Thing] | None:
        """Return a place for each pair; None where the goal's things find none. Others without one are left out."""
        floor = home.nav.free.copy()
        for door in home.doors:
            floor &= home.nav.distances(door.x, door.y) > DOOR_WIDTH
        spots = home.nav.points(floor)
        surfaces = [surface for placed in home.furniture for surface in placed.surfaces()]
        named = 2 if goal.other else 1
        things: list[Thing] = []
        for index, (name, colour) in enumerate(pairs):
            category = self._categories[name]
            on_furniture = index != 1 or named == 1
            for _ in range(20):
                if surfaces and on_furniture and rng.random() < self._preset.on_furniture:
                    surface = surfaces[int(rng.integers(len(surfaces)))]
                    margin = 0.8 * category.radius
                    x = surface.x + rng.uniform(-1, 1) * max(0.0, surface.half_x - margin)
                    y = surface.y + rng.uniform(-1, 1) * max(0.0, surface.half_y - margin)
                    z = surface.z
                else:
                    x, y = spots[int(rng.integers(len(spots)))]
                    z = 0.0
                away = [np.hypot(x - t.x, y - t.y) for t in things]
                if any(d < (SPACING if z == t.z == 0 else 0.6) for d, t in zip(away, things, strict=True)):
                    continue
                if index == 1 and named == 2 and not apart[0] <= away[0] <= apart[1]:
                    continue
                things.append(Thing(name, colour, float(x), float(y), float(z), float(rng.uniform(0, 2 * np.pi))))
                break
            else:
                if index < named:
                    return None
        return things

    def _choose_start(
        self, rng: np.random.Generator, home: Home, goal: PlayhouseGoal, things: list[Thing]
    ) -> tuple[float, float, float] | None:
        """Return a start from which everything that the goal names can be reached without pushing other things."""
        nav = clear_of_things(home.nav, things)
        component = nav.largest_component()
        for slot in range(2 if goal.other else 1):
            if not (self._cells(home, nav, things, slot) & component).any():
                return None
        far = nav.distances(things[0].x, things[0].y) > START_DISTANCE
        starts = nav.points(component & far)
        if len(starts) == 0:
            return None
        x, y = starts[int(rng.integers(len(starts)))]
        return float(x), float(y), float(rng.integers(24) * np.pi / 12)

    def _cells(
        self,
        home: Home,
        nav: NavGrid,
        things: list[Thing] | tuple[Thing, ...],
        slot: int,
        between: tuple[float, float] = GRAB_RANGE,
    ) -> np.ndarray:
        return standing_cells(home, nav, things, slot, self._middle(things[slot]), between)

    def _middle(self, thing: Thing) -> float:
        """Return the height of a thing's centre, metres."""
        return thing.z + self._categories[thing.category].half_extents[2]


def clear_of_things(nav: NavGrid, things: list[Thing] | tuple[Thing, ...]) -> NavGrid:
    """Free cells that touch nothing which stands on the floor."""
    return nav.without((t.x, t.y, AGENT_RADIUS + 0.22) for t in things if t.z < 0.1)


def standing_cells(
    home: Home,
    nav: NavGrid,
    things: list[Thing] | tuple[Thing, ...],
    slot: int,
    middle: float,
    between: tuple[float, float] = GRAB_RANGE,
) -> np.ndarray:
    """Return the cells at a distance from a thing, with nothing between the agent's eye and the thing.

    Args:
        home: Walls and furniture that could be in the way.
        nav: Free cells to choose from.
        things: Where things are.
        slot: Index of the thing.
        middle: Height of the thing's centre, metres.
        between: Smallest and largest distance, metres; by default those at which the agent can grab it.

    Returns:
        bool, the shape of the grid.
    """
    thing = things[slot]
    distance = nav.distances(thing.x, thing.y)
    cells = nav.free & (distance >= between[0]) & (distance <= between[1])
    if not cells.any():
        return cells
    points = nav.points(cells)
    clear = np.ones(len(points), dtype=bool)
    goal = np.array([thing.x, thing.y])
    for other_slot, other in enumerate(things):
        if other_slot == slot or np.hypot(other.x - thing.x, other.y - thing.y) > between[1] + 0.55:
            continue
        # Distance of the other thing's centre to the segment from the cell to the thing.
        along = goal - points
        to_other = np.array([other.x, other.y]) - points
        share = np.clip((to_other * along).sum(axis=1) / (along**2).sum(axis=1), 0.0, 1.0)
        clear &= np.hypot(*(to_other - share[:, None] * along).T) > 0.36
    eyes = np.column_stack([points, np.full(len(points), EYE_HEIGHT)])
    clear &= clear_lines(eyes, np.array([thing.x, thing.y, middle]), home.solids)
    result = np.zeros_like(cells)
    result[cells] = clear
    return result
