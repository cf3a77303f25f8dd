"""Whether a goal holds, from geometry and contacts. Every length is in metres.

- *Find*: the agent's axis is within `NEAR` of the thing's centre, measured on the floor, the thing's centre
  is inside the picture, and a ray from the eye reaches the thing first.
- *Lift*: the thing is held, and its lowest corner is `LIFT_HEIGHT` above where it was when it was grabbed.
- *Pick and Place*: the thing has been held in this episode, is no longer, moves slower than `AT_REST` metres a
  second, and lies within `BESIDE` of the other thing (centre to centre on the floor), their bases at most
  `SAME_LEVEL` apart in height.
"""

from __future__ import annotations

import mujoco
import numpy as np

from envs.playhouse.agent import Agent
from envs.playhouse.model import COLLISION, FIELD_OF_VIEW, STRUCTURE
from envs.playhouse.presets import Family
from envs.playhouse.scene import Scene

NEAR = 1.2
LIFT_HEIGHT = 0.15
BESIDE = 0.65
SAME_LEVEL = 0.3
AT_REST = 0.15

_RAY_GROUPS = np.zeros(6, dtype=np.uint8)
_RAY_GROUPS[[STRUCTURE, COLLISION]] = 1


class GroundTruth:
    """Judges one environment's state."""

    def __init__(self, scene: Scene, agent: Agent) -> None:
        """Watch a scene and its agent."""
        self._scene = scene
        self._agent = agent
        self._hand_body = scene.model.body("hand").id
        self._tangent = np.tan(np.deg2rad(FIELD_OF_VIEW / 2))
        self._hit = np.zeros(1, dtype=np.int32)

    def holds(self, family: Family, thing: int, other: int | None) -> bool:
        """Return whether the goal holds in the present state, for slots `thing` and `other`."""
        if family == "find":
            return self.is_near(thing) and self.is_visible(thing)
        if family == "lift":
            return self.is_lifted(thing)
        assert other is not None
        return self.is_placed(thing, other)

    def is_near(self, slot: int) -> bool:
        """Return whether the agent stands within `NEAR` of the thing."""
        x, y, _, _ = self._agent.pose
        centre = self._scene.centre(slot)
        return bool(np.hypot(centre[0] - x, centre[1] - y) <= NEAR)

    def is_visible(self, slot: int) -> bool:
        """Return whether the thing's centre is in the picture, and its middle or its top is not hidden."""
        eye, rotation = self._agent.eye
        centre = self._scene.centre(slot)
        right, up, back = rotation.T @ (centre - eye)
        if back >= 0 or abs(right) > -back * self._tangent or abs(up) > -back * self._tangent:
            return False
        top = centre + np.array([0.0, 0.0, 0.7 * self._scene.half_extents(slot)[2]])
        geom = self._scene.collision_geom(slot)
        for point in (centre, top):
            mujoco.mj_ray(
                self._scene.model, self._scene.data, eye, point - eye, _RAY_GROUPS, 1, self._hand_body, self._hit
            )
            if self._hit[0] == geom:
                return True
        return False

    def is_lifted(self, slot: int) -> bool:
        """Return whether the thing is held `LIFT_HEIGHT` above its support."""
        return self._agent.held == slot and self._scene.lowest(slot) >= self._agent.grab_height + LIFT_HEIGHT

    def is_placed(self, slot: int, other: int) -> bool:
        """Return whether the thing was carried and now rests beside the other."""
        if slot not in self._agent.ever_held or self._agent.held == slot:
            return False
        if np.linalg.norm(self._scene.velocity(slot)) > AT_REST:
            return False
        gap = self._scene.centre(slot) - self._scene.centre(other)
        level = abs(self._scene.lowest(slot) - self._scene.lowest(other))
        return bool(np.hypot(gap[0], gap[1]) <= BESIDE and level <= SAME_LEVEL)
