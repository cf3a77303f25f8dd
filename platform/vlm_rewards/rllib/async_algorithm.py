"""IMPALA and APPO that notice when their env runners have fallen silent."""

import time
from typing import Any

import ray
from ray.rllib.algorithms.appo import APPO
from ray.rllib.algorithms.impala import IMPALA
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME

from vlm_rewards.rllib.health import UnhealthyIterationError


class _Watched(IMPALA):
    """Ends `train()`, and the env runners, if none of these has returned a sample for `sample_timeout_s`.

    RLlib's asynchronous algorithms do not use that setting: they ask again and again, and `train()` waits for ever.
    """

    _sampled = -1.0
    _sampled_at = 0.0

    def step(self) -> Any:
        """Run one iteration; the time since the last one does not count as silence."""
        self._sampled_at = time.monotonic()
        return super().step()

    def training_step(self) -> None:
        """Look for samples and learn from them.

        Raises:
            UnhealthyIterationError: There have been none for too long.
        """
        super().training_step()  # type: ignore[no-untyped-call]  # RLlib leaves it open
        assert self.metrics is not None
        assert self.config is not None
        assert self.env_runner_group is not None
        sampled = self.metrics.peek((ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), default=0)
        now = time.monotonic()
        if sampled != self._sampled:
            self._sampled, self._sampled_at = sampled, now
        elif now - self._sampled_at > self.config.sample_timeout_s:
            # They would not hear `stop()` either, which waits for their answer without end.
            for env_runner in self.env_runner_group._worker_manager.actors().values():
                ray.kill(env_runner)
            raise UnhealthyIterationError(
                f"no env runner has returned a sample for {self.config.sample_timeout_s:g} s; "
                "they have been ended, see their logs"
            )


class WatchedIMPALA(_Watched, IMPALA):
    """IMPALA that notices when its env runners have fallen silent."""


class WatchedAPPO(_Watched, APPO):
    """APPO that notices when its env runners have fallen silent."""
