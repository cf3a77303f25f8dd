"""A trained RLModule as an evaluation policy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_rewards.evaluation.episodes import Observations
from vlm_rewards.rllib.policy import Policy as BatchPolicy
from vlm_rewards.rllib.rl_module import GoalConditionedModule


class ModulePolicy:
    """A policy made of a trained module.

    It keeps one row a slot, so that a recurrent module's state stays with its environment while others come and go.
    """

    def __init__(self, module: GoalConditionedModule, num_envs: int, deterministic: bool, seed: int = 0) -> None:
        """Wrap a module.

        Args:
            module: The trained module; not changed.
            num_envs: Number of slots.
            deterministic: Take the most probable action, or sample with a generator seeded by `seed`.
            seed: Seed of the sampling.
        """
        self._policy = BatchPolicy(module, deterministic=deterministic, seed=seed)
        self._num_envs = num_envs
        self._rows: dict[str, npt.NDArray[Any]] = {}

    def start(self, slots: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin episodes in `slots`."""
        self._policy.reset(slots)

    def act(self, observations: Observations, slots: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return int64 (n,), the actions of `slots`."""
        for key, values in observations.items():
            if key not in self._rows:
                self._rows[key] = np.zeros((self._num_envs, *values.shape[1:]), values.dtype)
            self._rows[key][list(slots)] = values
        return self._policy.act(self._rows)[list(slots)]
