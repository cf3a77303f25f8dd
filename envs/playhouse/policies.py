"""Scripted policies: an oracle that sees the simulation's state, a noisy oracle, a wanderer and a random one.

They exist for tests, data and pictures. They choose discrete actions of the environment's own action set.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from envs.playhouse.agent import NOD, PITCH_RANGE, TURN
from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.episode import standing_cells
from envs.playhouse.errors import UnknownNameError
from envs.playhouse.ground_truth import BESIDE, NEAR
from envs.playhouse.model import EYE_HEIGHT
from envs.playhouse.navigation import AGENT_RADIUS, NavGrid
from envs.playhouse.scene import Thing
from envs.playhouse.sight import clear_lines

#: Share of the reach that is left on the floor when a carried thing is lowered (the arm swings down).
_LOWERED = 0.85
#: Errors that are not worth a turn or a nod: a little over half of one, or the walker would dither.
_TURN_SLACK = 0.6 * TURN
_NOD_SLACK = 0.55 * NOD


class Policy(Protocol):
    """Chooses actions of one environment."""

    def reset(self) -> None:
        """Start an episode; call after the environment's own reset."""

    def act(self) -> int:
        """Next discrete action."""


class RandomPolicy:
    """Uniform over the action space."""

    def __init__(self, env: PlayhouseEnv, rng: np.random.Generator) -> None:
        """Draw from `rng`."""
        self._env, self._rng = env, rng

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self) -> int:
        """A random action."""
        return int(self._rng.integers(int(self._env.action_space.n)))


class Wanderer:
    """Walks to random places, now and then looks around, grabs and lets go; never aims at the goal."""

    def __init__(self, env: PlayhouseEnv, rng: np.random.Generator) -> None:
        """Draw from `rng`."""
        self._walker = _Walker(env)
        self._env, self._rng = env, rng

    def reset(self) -> None:
        """Pick a first place."""
        self._place: tuple[float, float] | None = None

    def act(self) -> int:
        """Next action."""
        names = self._walker.names
        if self._rng.random() < 0.15:
            return int(self._rng.integers(len(names)))
        nav = self._walker.nav()
        if self._place is None or self._walker.arrived(self._place):
            points = nav.points(nav.free)
            x, y = points[int(self._rng.integers(len(points)))]
            self._place = (float(x), float(y))
        action = self._walker.towards(nav, nav.distances(*self._place) < 0.2)
        if action is None:
            self._place = None
            return self._walker.index("turn_left")
        return action


class Oracle:
    """Solves the goal from the simulation's state."""

    def __init__(self, env: PlayhouseEnv, rng: np.random.Generator | None = None, noise: float = 0.0) -> None:
        """`noise` is the chance that an action is random instead, drawn from `rng`."""
        self._env = env
        self._walker = _Walker(env)
        self._rng = rng if rng is not None else np.random.default_rng(0)
        self._noise = noise

    def reset(self) -> None:
        """Forget the last episode."""
        self._stuck = 0
        self._lowering: float | None = None
        self._visits: dict[tuple[float | int | None, ...], int] = {}
        self._escape = 0
        self._wobble = np.random.default_rng(0)

    def act(self) -> int:
        """Next action."""
        if self._noise and self._rng.random() < self._noise:
            return int(self._rng.integers(len(self._walker.names)))
        pose = (*np.round(self._env.agent.pose, 1), self._env.agent.held)
        self._visits[pose] = self._visits.get(pose, 0) + 1
        if self._visits[pose] > 4:
            # Going round in circles: a few arbitrary steps lead elsewhere.
            self._escape = 3
            self._visits.clear()
        if self._escape:
            self._escape -= 1
            self._lowering = None
            return int(self._wobble.integers(min(4, len(self._walker.names))))
        return self._choose()

    def _choose(self) -> int:
        family, held = self._env.family, self._env.agent.held
        if family == "find":
            return self._go_near()
        if held is not None and held != 0:
            return self._walker.index("release")
        if held is None:
            if family == "pick_place" and self._env.truth.is_placed(0, 1):
                return self._walker.index("turn_left")
            return self._go_and_grab()
        if family == "lift":
            return self._walker.index("look_up")
        return self._carry()

    def _go_near(self) -> int:
        """Walk up to the thing and look at it."""
        walker, target = self._walker, self._env.scene.centre(0)
        nav = walker.nav()
        near = nav.distances(target[0], target[1]) < NEAR - 0.15
        if walker.within(target, NEAR - 0.1) and (self._env.truth.is_visible(0) or not walker.facing(target)):
            return walker.aim(target) or walker.index("forward")
        goals = near & walker.sees(nav, near, target)
        action = walker.towards(nav, goals if goals.any() else near)
        return action if action is not None else walker.aim(target) or walker.index("forward")

    def _go_and_grab(self) -> int:
        """Walk to a cell within reach, aim, and grab."""
        walker, target = self._walker, self._env.scene.centre(0)
        things = walker.things_now()
        nav = walker.nav(things, beside=0)
        cells = standing_cells(self._env.episode.home, nav, things, 0, float(target[2]))  # type: ignore[union-attr]
        if not cells.any():
            distance = nav.distances(target[0], target[1])
            cells = nav.free & (distance < 1.0) & (distance > 0.5)
        x, y, _, _ = self._env.agent.pose
        distance = float(np.hypot(target[0] - x, target[1] - y))
        ready = cells[nav.cell(x, y)] or (0.5 < distance < 0.75 and self._env.truth.is_visible(0))
        if not ready or self._stuck > 2:
            self._stuck = max(0, self._stuck - 1)
            action = walker.towards(nav, cells, exact=self._stuck > 0)
            if action is not None:
                return action
        action = walker.aim(target)
        if action is not None:
            return action
        self._stuck += 3
        return walker.index("grab")

    def _carry(self) -> int:
        """Carry the thing at eye level to beside the other, lower it, let go."""
        walker, agent, scene = self._walker, self._env.agent, self._env.scene
        other, held = scene.centre(1), scene.centre(0)
        x, y, yaw, pitch = agent.pose
        reach = float(np.hypot(*(held - np.array([x, y, EYE_HEIGHT]))[:2])) / max(0.3, float(np.cos(pitch)))
        away = _LOWERED * reach
        drop = np.array([x + away * np.cos(yaw), y + away * np.sin(yaw)])
        low = scene.lowest(0)
        if self._lowering is not None:
            sinking = low < self._lowering - 0.02
            self._lowering = low
            if low - scene.lowest(1) > 0.1 and sinking and pitch > PITCH_RANGE[0] + NOD / 2:
                return walker.index("look_down")
            self._lowering = None
            return walker.index("release")
        if 0.3 < np.hypot(*(drop - other[:2])) < BESIDE - 0.1 and walker.facing(other):
            self._lowering = low
            return walker.index("look_down")
        if pitch < -NOD / 2:
            return walker.index("look_up")
        nav = walker.nav(walker.things_now(), skip=0)
        distance = nav.distances(other[0], other[1])
        ring = nav.free & (np.abs(distance - away - 0.46) < 0.08)
        ring &= walker.sees(nav, ring, other)
        if not ring.any():
            ring = nav.free & (np.abs(distance - away - 0.42) < 0.2)
        gap = float(np.hypot(other[0] - x, other[1] - y)) - away
        if ring[nav.cell(x, y)] or 0.32 < gap < 0.53:
            action = walker.aim(other, look=False)
            if action is not None:
                return action
            return walker.index("forward" if gap > 0.46 else "backward")
        action = walker.towards(nav, ring)
        if action is not None:
            return action
        action = walker.aim(other, look=False)
        return action if action is not None else walker.index("forward" if gap > 0.46 else "backward")


class _Walker:
    """Turns places into actions."""

    def __init__(self, env: PlayhouseEnv) -> None:
        self._env = env
        self.names = env.action_names

    def index(self, name: str) -> int:
        """Index of an action; walking sets have no looking up: the nearest they can do is turn."""
        return self.names.index(name) if name in self.names else self.names.index("turn_left")

    def things_now(self) -> list[Thing]:
        """The things where they are at this moment."""
        scene, now = self._env.scene, []
        for slot, thing in enumerate(scene.things):
            x, y, _ = (float(v) for v in scene.centre(slot))
            now.append(Thing(thing.category, thing.colour, x, y, scene.lowest(slot), 0.0))
        return now

    def nav(self, things: list[Thing] | None = None, skip: int | None = None, beside: int | None = None) -> NavGrid:
        """Free cells, keeping clear of things on the floor; `skip` is the slot of a carried thing."""
        home = self._env.episode.home  # type: ignore[union-attr]
        things = self.things_now() if things is None else things
        discs = []
        for slot, thing in enumerate(things):
            if slot != skip and thing.z < 0.15:
                half = self._env.scene.half_extents(slot)
                discs.append((thing.x, thing.y, AGENT_RADIUS + 0.05 + float(max(half[0], half[1]))))
        clear = home.nav.without(discs)
        x, y, _, _ = self._env.agent.pose
        # Standing too close to a thing must not cut the agent off from everywhere.
        free = clear.free | (home.nav.free & (home.nav.distances(x, y) < 0.3))
        return NavGrid(clear.origin, free)

    def within(self, target: np.ndarray, distance: float) -> bool:
        """Whether the agent is this near, metres on the floor."""
        x, y, _, _ = self._env.agent.pose
        return bool(np.hypot(target[0] - x, target[1] - y) < distance)

    def arrived(self, place: tuple[float, float]) -> bool:
        """Whether the agent has come to a place."""
        return self.within(np.array(place), 0.3)

    def facing(self, target: np.ndarray) -> bool:
        """Whether no single turn would bring the agent to face the target better."""
        return abs(self._bearing(target)) <= _TURN_SLACK

    def sees(self, nav: NavGrid, cells: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Which of the cells have nothing solid between an eye there and the target."""
        home = self._env.episode.home  # type: ignore[union-attr]
        points = nav.points(cells)
        eyes = np.column_stack([points, np.full(len(points), EYE_HEIGHT)])
        visible = np.zeros_like(cells)
        visible[cells] = clear_lines(eyes, np.asarray(target, dtype=float), home.solids)
        return visible

    def aim(self, target: np.ndarray, look: bool = True) -> int | None:
        """Turn and look so that the target is in the middle; None when it is, as well as the steps allow."""
        bearing = self._bearing(target)
        if abs(bearing) > _TURN_SLACK:
            return self.index("turn_left" if bearing > 0 else "turn_right")
        if look and "look_up" in self.names:
            x, y, _, pitch = self._env.agent.pose
            wanted = np.arctan2(target[2] - EYE_HEIGHT, np.hypot(target[0] - x, target[1] - y))
            wanted = float(np.clip(wanted, *PITCH_RANGE))
            if abs(wanted - pitch) > _NOD_SLACK:
                return self.index("look_up" if wanted > pitch else "look_down")
        return None

    def towards(self, nav: NavGrid, goals: np.ndarray, exact: bool = False) -> int | None:
        """Next action on the way to the nearest goal cell; None when there, or where there is no way."""
        x, y, _, _ = self._env.agent.pose
        path = nav.path((x, y), goals)
        if path is None:
            return None
        if len(path) <= 2 and not exact and np.hypot(path[-1][0] - x, path[-1][1] - y) < 0.15:
            return None
        # Head for the farthest point of the way that lies straight ahead through free cells.
        ahead = path[min(len(path) - 1, 1)]
        for point in path[2:9]:
            if not _free_line(nav, (x, y), point):
                break
            ahead = point
        bearing = self._bearing(ahead)
        if abs(bearing) > _TURN_SLACK:
            return self.index("turn_left" if bearing > 0 else "turn_right")
        return self.index("forward")

    def _bearing(self, target: np.ndarray) -> float:
        """Angle from the heading to the target, radians in [-pi, pi)."""
        x, y, yaw, _ = self._env.agent.pose
        angle = np.arctan2(target[1] - y, target[0] - x) - yaw
        return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _free_line(nav: NavGrid, start: tuple[float, float], stop: np.ndarray) -> bool:
    steps = np.linspace(0.0, 1.0, 12)[:, None]
    points = np.array(start) * (1 - steps) + stop * steps
    return all(nav.free[nav.cell(x, y)] for x, y in points[1:])


#: Names of the scripted policies.
POLICIES = ("oracle", "noisy", "wanderer", "random")


def make_policy(name: str, env: PlayhouseEnv, rng: np.random.Generator) -> Policy:
    """A scripted policy by name.

    Raises:
        UnknownNameError: not one of `POLICIES`.
    """
    if name == "oracle":
        return Oracle(env)
    if name == "noisy":
        return Oracle(env, rng, noise=0.3)
    if name == "wanderer":
        return Wanderer(env, rng)
    if name == "random":
        return RandomPolicy(env, rng)
    raise UnknownNameError.of("policy", name, POLICIES)
