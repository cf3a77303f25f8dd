"""Who plays the episodes whose frames a cascade is calibrated and tested on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from experiments.under_pressure.recording import act_at_random
from experiments.under_pressure.scripts import act_by_script
from vlm_rewards.rllib.policy import Policy
from vlm_rewards.rllib.rl_module import GoalConditionedModule

_TURNS = {"random": act_at_random, "script": act_by_script}


class Player(Protocol):
    """Chooses the actions of environments side by side."""

    def begin(self, slot: int, number: int, env: gym.Env[Any, Any], rng: np.random.Generator) -> str:
        """Begin episode `number` in environment `slot`, and return the name of who plays it."""

    def act(self, observations: Mapping[str, npt.NDArray[Any]], slots: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return the actions of `slots`, int64 (n,), given the observations of all environments."""


class BeginnerAndScript:
    """By turns random actions, as an agent begins, and the domain's script, as it may end, with noise in between."""

    def __init__(self) -> None:
        self._actions: dict[int, Iterator[int]] = {}

    def begin(self, slot: int, number: int, env: gym.Env[Any, Any], rng: np.random.Generator) -> str:
        """Take turns, episode by episode."""
        name = list(_TURNS)[number % len(_TURNS)]
        self._actions[slot] = _TURNS[name](env, rng)
        return name

    def act(self, observations: Mapping[str, npt.NDArray[Any]], slots: Sequence[int]) -> npt.NDArray[np.int64]:
        """Go on, episode by episode."""
        return np.array([next(self._actions[slot]) for slot in slots], np.int64)


class Agent:
    """A trained agent, which draws its actions as in training."""

    def __init__(self, module: GoalConditionedModule, seed: int) -> None:
        self._policy = Policy(module, seed=seed)

    def begin(self, slot: int, number: int, env: gym.Env[Any, Any], rng: np.random.Generator) -> str:
        """Forget the slot's last episode."""
        self._policy.reset([slot])
        return "agent"

    def act(self, observations: Mapping[str, npt.NDArray[Any]], slots: Sequence[int]) -> npt.NDArray[np.int64]:
        """Act on what all environments show."""
        return self._policy.act(dict(observations))[list(slots)]
