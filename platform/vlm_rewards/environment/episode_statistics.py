"""Returns and lengths of episodes, right under every autoreset mode."""

import time
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics


class EpisodeStatistics(RecordEpisodeStatistics):
    """Gymnasium's `RecordEpisodeStatistics` that counts the first step of every episode, and no step of another.

    Gymnasium 1.2.2 takes the step after an episode's end for the reset, which it is under NEXT_STEP. Under SAME_STEP it
    is the next episode's first, and its reward is lost. Use this one over `VLMRewardVecEnv`, which has either mode; the
    statistics are in `infos["episode"]` as usual: `r` returns, `l` lengths in steps, `t` seconds, each (num_envs,).
    """

    def reset(self, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start episodes, and the statistics of those alone; see `VectorEnv.reset`. The caller's dict stays."""
        # A copy: Gymnasium's environments take the mask out, and its own statistics would then all begin anew.
        result = self.env.reset(seed=seed, options=None if options is None else dict(options))
        begun = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_)))
        self.episode_start_times[begun] = time.perf_counter()
        self.episode_returns[begun] = 0
        self.episode_lengths[begun] = 0
        self.prev_dones[begun] = False
        return result

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
