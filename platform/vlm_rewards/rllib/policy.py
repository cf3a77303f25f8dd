"""A trained agent outside RLlib: observations in, actions out."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ray.rllib.core.columns import Columns

from vlm_rewards.rllib.rl_module import GoalConditionedModule


class Policy:
    """Acts for a batch of environments with a `GoalConditionedModule`.

    Two policies with the same weights, seed and observations act alike, step by step. The state of a recurrent module
    is kept here, one row an environment.
    """

    def __init__(self, module: GoalConditionedModule, *, deterministic: bool = False, seed: int = 0) -> None:
        """Wrap a module; its weights are used as they are and not changed.

        Args:
            module: For example `algorithm.get_module()` or `GoalConditionedModule.from_checkpoint(path)`.
            deterministic: Take the most likely action instead of sampling one.
            seed: Seed of the sampling.
        """
        self._module = module
        self._deterministic = deterministic
        self._generator = torch.Generator().manual_seed(seed)
        self._state: torch.Tensor | None = None

    def reset(self, indices: Iterable[int] | None = None) -> None:
        """Forget what happened so far; a recurrent module needs it at each start of an episode.

        Args:
            indices: Indices of the environments whose episode starts; None for all of them.
        """
        if indices is None:
            self._state = None
        elif self._state is not None:
            self._state[list(indices)] = self._module.get_initial_state()["h"]

    def act(self, observations: dict[str, Any]) -> npt.NDArray[np.int64]:
        """Choose an action for each of B environments.

        Args:
            observations: `image` uint8 (B, H, W, 3) and `goal` int64 (B, GOAL_LENGTH), numpy or torch, and
                `past_actions` int64 (B, K) for an agent that was trained with them. B must stay the same until
                `reset()` if the module is recurrent.

        Returns:
            int64 (B,).
        """
        space: Any = self._module.observation_space
        batch: dict[str, Any] = {
            Columns.OBS: {key: torch.as_tensor(observations[key]) for key in space.spaces},
        }
        count = len(batch[Columns.OBS]["image"])
        initial = self._module.get_initial_state()
        if initial:
            if self._state is None:
                self._state = initial["h"].repeat(count, 1)
            batch[Columns.OBS] = {key: value.unsqueeze(1) for key, value in batch[Columns.OBS].items()}
            batch[Columns.STATE_IN] = {"h": self._state}
        output = self._module.forward_inference(batch)
        if initial:
            self._state = output[Columns.STATE_OUT]["h"].clone()
        logits = output[Columns.ACTION_DIST_INPUTS].reshape(count, -1)
        if self._deterministic:
            result: npt.NDArray[np.int64] = logits.argmax(dim=1).numpy()
            return result
        probabilities = torch.softmax(logits, dim=1)
        return torch.multinomial(probabilities, 1, generator=self._generator).squeeze(1).numpy()
