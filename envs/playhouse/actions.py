"""Action spaces, and how their actions become commands of the agent's body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from envs.playhouse.agent import Command
from envs.playhouse.errors import ActionError

#: Commands of the discrete actions by name; "walk" is the first three, "full" all of them.
DISCRETE: dict[str, Command] = {
    "forward": Command(forward=1.0),
    "turn_left": Command(turn=1.0),
    "turn_right": Command(turn=-1.0),
    "backward": Command(forward=-1.0),
    "look_up": Command(look=1.0),
    "look_down": Command(look=-1.0),
    "grab": Command(grip=1.0),
    "release": Command(grip=-1.0),
}
SETS: dict[str, tuple[str, ...]] = {"walk": tuple(DISCRETE)[:3], "full": tuple(DISCRETE)}


@dataclass(frozen=True)
class ActionMap:
    """An action space and its meaning.

    Attributes:
        space: `Discrete(3)` or `Discrete(8)`, or `Box(-1, 1, (4,))`: forward, turn, look, grip (above 0.5 grabs,
            below -0.5 releases).
        names: Names of the discrete actions; empty for the continuous space.
    """

    space: gym.Space[Any]
    names: tuple[str, ...]

    def command(self, action: Any) -> Command:
        """Return what the agent does.

        Raises:
            ActionError: Not in the space (NaN included).
        """
        if self.names:
            try:
                index = int(action)
            except (TypeError, ValueError):
                index = -1
            if not 0 <= index < len(self.names) or index != action:
                raise ActionError(
                    f"action {action!r} is not in Discrete({len(self.names)}); give 0 to {len(self.names) - 1}"
                )
            return DISCRETE[self.names[index]]
        try:
            values = np.asarray(action, dtype=float)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape != (4,) or not (np.abs(values) <= 1.0).all():
            raise ActionError(f"action {action!r} is not in Box(-1, 1, (4,)); give forward, turn, look and grip")
        return Command(*map(float, values))

    def index(self, name: str) -> int:
        """Return the discrete action called `name`."""
        return self.names.index(name)


def make_action_map(kind: Literal["discrete", "continuous"], action_set: str) -> ActionMap:
    """Return the action space of a kind; `action_set` is a key of `SETS` and counts for discrete actions only.

    Raises:
        ActionError: Unknown kind.
    """
    if kind == "continuous":
        return ActionMap(gym.spaces.Box(-1.0, 1.0, (4,), np.float32), ())
    if kind != "discrete":
        raise ActionError(f"unknown kind of actions {kind!r}; use 'discrete' or 'continuous'")
    names = SETS[action_set]
    return ActionMap(gym.spaces.Discrete(len(names)), names)
