"""What scripted policies share: turning places into actions."""

from __future__ import annotations

import numpy as np

from envs.playhouse.agent import NOD, PITCH_RANGE, TURN
from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.home import Home
from envs.playhouse.model import EYE_HEIGHT
from envs.playhouse.navigation import AGENT_RADIUS, NavGrid
from envs.playhouse.scene import Thing
from envs.playhouse.sight import clear_lines

#: Errors that are not worth a turn or a nod: a little over half of one, or the walker would dither.
_TURN_SLACK = 0.6 * TURN
_NOD_SLACK = 0.55 * NOD


class Walker:
    """Turns places into actions of one environment.

    Attributes:
        names: Names of the environment's discrete actions.
    """

    def __init__(self, env: PlayhouseEnv) -> None:
        """Walk in `env`."""
        self._env = env
        self.names = env.action_names

    def index(self, name: str) -> int:
        """Return the index of an action; walking sets have no looking up: the nearest they can do is turn."""
        return self.names.index(name) if name in self.names else self.names.index("turn_left")

    def things_now(self) -> list[Thing]:
        """Return the things where they are at this moment."""
        scene, now = self._env.scene, []
        for slot, thing in enumerate(scene.things):
            x, y, _ = (float(v) for v in scene.centre(slot))
            now.append(Thing(thing.category, thing.colour, x, y, scene.lowest(slot), 0.0))
        return now

    @property
    def home(self) -> Home:
        """Home of the present episode."""
        episode = self._env.episode
        assert episode is not None, "reset the environment first"
        return episode.home

    def nav(self, things: list[Thing] | None = None, skip: int | None = None, beside: int | None = None) -> NavGrid:
        """Free cells, keeping clear of things on the floor; `skip` is the slot of a carried thing."""
        home = self.home
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
        """Return whether the agent is this near, metres on the floor."""
        x, y, _, _ = self._env.agent.pose
        return bool(np.hypot(target[0] - x, target[1] - y) < distance)

    def arrived(self, place: tuple[float, float]) -> bool:
        """Return whether the agent has come to a place."""
        return self.within(np.array(place), 0.3)

    def facing(self, target: np.ndarray) -> bool:
        """Return whether no single turn would bring the agent to face the target better."""
        result: bool = abs(self._bearing(target)) <= _TURN_SLACK
        return result

    def sees(self, nav: NavGrid, cells: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return which of the cells have nothing solid between an eye there and the target."""
        home = self.home
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
        """Return the next action on the way to the nearest goal cell; None when there, or where there is no way."""
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
        """Return the angle from the heading to the target, radians in [-pi, pi)."""
        x, y, yaw, _ = self._env.agent.pose
        angle = np.arctan2(target[1] - y, target[0] - x) - yaw
        return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _free_line(nav: NavGrid, start: tuple[float, float], stop: np.ndarray) -> bool:
    steps = np.linspace(0.0, 1.0, 12)[:, None]
    points = np.array(start) * (1 - steps) + stop * steps
    return all(nav.free[nav.cell(x, y)] for x, y in points[1:])
