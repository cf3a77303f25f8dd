"""IMPALA and APPO that notice when their env runners have fallen silent, and outlive those that die."""

import time
from typing import Any

import ray
from ray.rllib.algorithms.appo import APPO
from ray.rllib.algorithms.impala import IMPALA
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME

from vlm_rewards.rllib.elastic import runners_of
from vlm_rewards.rllib.health import EnvRunnersLostError


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
            EnvRunnersLostError: There have been none for too long.
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
            raise EnvRunnersLostError(
                f"no env runner has returned a sample for {self.config.sample_timeout_s:g} s; "
                "they have been ended, see their logs"
            )

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Bring lost env runners back; the time that a training waits for them does not count as silence."""
        begin = time.monotonic()
        restored: list[int] = super().restore_env_runners(env_runner_group)
        self._sampled_at += time.monotonic() - begin
        return restored

    def _sample_and_get_connector_states(self) -> Any:
        """Look for samples; those whose env runner has died since are dropped, with what was counted of them."""
        sampled = super()._sample_and_get_connector_states()  # type: ignore[no-untyped-call]  # as above
        runners = runners_of(self)
        if runners is None:
            return sampled
        episodes, states, metrics, indices = sampled
        # The learner asks for them later, when their owner may be gone.
        adopted = [(runners.adopted(mine), *others) for mine, *others in zip(episodes, states, metrics, strict=True)]
        kept = [each for each in adopted if each[0] is not None]
        return [list(column) for column in zip(*kept, strict=True)] + [indices] if kept else ([], [], [], indices)


class WatchedIMPALA(_Watched, IMPALA):
    """IMPALA that notices when its env runners have fallen silent."""


class WatchedAPPO(_Watched, APPO):
    """APPO that notices when its env runners have fallen silent."""
