"""Scripted policies: an oracle that sees the simulation's state, a noisy oracle, a wanderer and a random one.

They exist for tests, data and pictures. They choose discrete actions of the environment's own action set.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from envs.playhouse.agent import NOD, PITCH_RANGE
from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.episode import standing_cells
from envs.playhouse.errors import UnknownNameError
from envs.playhouse.ground_truth import BESIDE, NEAR
from envs.playhouse.model import EYE_HEIGHT
from envs.playhouse.walker import Walker

#: Share of the reach that is left on the floor when a carried thing is lowered (the arm swings down).
_LOWERED = 0.85


class Policy(Protocol):
    """Chooses actions of one environment."""

    def reset(self) -> None:
        """Do nothing: there is nothing to forget."""

    def act(self) -> int:
        """Return the next discrete action."""


class RandomPolicy:
    """Uniform over the action space."""

    def __init__(self, env: PlayhouseEnv, rng: np.random.Generator) -> None:
        """Draw from `rng`."""
        self._env, self._rng = env, rng

    def reset(self) -> None:
        """Do nothing: there is nothing to forget."""

    def act(self) -> int:
        """Return a random action."""
        return int(self._rng.integers(len(self._env.action_names)))


class Wanderer:
    """Walks to random places, now and then looks around, grabs and lets go; never aims at the goal."""

    def __init__(self, env: PlayhouseEnv, rng: np.random.Generator) -> None:
        """Draw from `rng`."""
        self._walker = Walker(env)
        self._env, self._rng = env, rng

    def reset(self) -> None:
        """Do nothing: there is nothing to forget."""
        self._place: tuple[float, float] | None = None

    def act(self) -> int:
        """Return the next action."""
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
        """Act at random with a chance of `noise`, drawn from `rng`."""
        self._env = env
        self._walker = Walker(env)
        self._rng = rng if rng is not None else np.random.default_rng(0)
        self._noise = noise

    def reset(self) -> None:
        """Do nothing: there is nothing to forget."""
        self._stuck = 0
        self._lowering: float | None = None
        self._visits: dict[tuple[float | int | None, ...], int] = {}
        self._escape = 0
        self._wobble = np.random.default_rng(0)

    def act(self) -> int:
        """Return the next action."""
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
        cells = standing_cells(walker.home, nav, things, 0, float(target[2]))
        if not cells.any():
            distances = nav.distances(target[0], target[1])
            cells = nav.free & (distances < 1.0) & (distances > 0.5)
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


#: Names of the scripted policies.
POLICIES = ("oracle", "noisy", "wanderer", "random")


def make_policy(name: str, env: PlayhouseEnv, rng: np.random.Generator) -> Policy:
    """Return a scripted policy by name.

    Raises:
        UnknownNameError: Not one of `POLICIES`.
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
