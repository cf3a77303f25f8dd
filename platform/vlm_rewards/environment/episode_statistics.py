"""Returns and lengths of episodes, right under every autoreset mode."""

import time
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics


class EpisodeStatistics(RecordEpisodeStatistics):
    """Gymnasium's `RecordEpisodeStatistics` that counts the first step of every episode.

    Gymnasium 1.2.2 takes the step after an episode's end for the reset, which it is under NEXT_STEP. Under SAME_STEP it
    is the next episode's first, and its reward is lost. Use this one over `VLMRewardVecEnv`, which has either mode; the
    statistics are in `infos["episode"]` as usual: `r` returns, `l` lengths in steps, `t` seconds, each (num_envs,).
    """

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step the environment; see `VectorEnv.step`."""
        result: tuple[Any, Any, Any, Any, dict[str, Any]] = super().step(actions)
        if self.env.metadata.get("autoreset_mode") == AutoresetMode.SAME_STEP:
            over = self.prev_dones
            self.episode_returns[over] = 0
            self.episode_lengths[over] = 0
            self.episode_start_times[over] = time.perf_counter()
            self.prev_dones = np.zeros_like(over)
        return result
