"""The iterations of one training: learn, look at what came out, write it down, until there is nothing left to do."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
from ray.exceptions import RayError
from ray.rllib.algorithms.algorithm import Algorithm

from experiments.shared.run_folder import HeldOutPoint, RunFolder, RunState
from experiments.training.config import TrainConfig
from vlm_rewards.evaluation.curve_point import CurvePoint
from vlm_rewards.evaluation.reward_hacking import RewardHackingAlarm
from vlm_rewards.rllib import health
from vlm_rewards.rllib.elastic import counts_of
from vlm_rewards.rllib.env_runner import begin_anew
from vlm_rewards.rllib.metrics import RolloutMetrics
from vlm_rewards.tracking import MlflowRun


class Watcher(Protocol):
    """What shows a run's progress to a person."""

    def stage(self, text: str) -> None:
        """Begin a new stage of the run."""

    def notice(self, text: str) -> None:
        """Say what has happened to the run, in one line."""

    def iteration(self, env_steps: int, metrics: RolloutMetrics) -> None:
        """End a training iteration."""


class TrainingLoop:
    """Trains an algorithm from where a run stands to its end.

    Each iteration is learned, checked, added to the curve, shown to the alarm, evaluated where that is due, logged, and
    every so often kept in a checkpoint.

    Attributes:
        state: Where the run stands now.
    """

    def __init__(
        self,
        config: TrainConfig,
        algorithm: Algorithm,
        state: RunState,
        *,
        folder: RunFolder,
        run: MlflowRun,
        watcher: Watcher,
        held_out_success: Callable[[], float],
        on_checkpoint: Callable[[RunState], None],
        cluster: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """Take what a training needs; nothing is trained yet.

        Args:
            config: The run's settings.
            algorithm: What learns, restored to `state`.
            state: Where the run stands.
            folder: Takes the checkpoints.
            run: Takes the metrics.
            watcher: Shows progress.
            held_out_success: Returns the success rate of the agent as it is now, over a few held-out episodes.
            on_checkpoint: Called after each checkpoint.
            cluster: Returns metrics of the cluster, to be logged with each iteration's own.
        """
        self.state = state
        self._config = config
        self._algorithm = algorithm
        self._folder = folder
        self._run = run
        self._watcher = watcher
        self._held_out_success = held_out_success
        self._on_checkpoint = on_checkpoint
        self._cluster = cluster
        self._retries_said = False
        self._saved_at = state.env_steps
        self._alarm = RewardHackingAlarm.replayed(state.curve)

    def execute(self) -> RunState:
        """Train until the steps or the minutes are used up.

        Returns:
            Where the run stands then.

        Raises:
            VLMRewardsError: An iteration was not what it should be; what was written until then stands.
        """
        while not self.is_over:
            metrics = self._learn()
            logged = {f"train/{name}": value for name, value in metrics.to_dict().items()}
            logged |= {f"train/{name}": value for name, value in counts_of(self._algorithm).items()}
            logged |= self._cluster()
            self._say_retries(metrics)
            logged |= self._watch_for_hacking()
            logged |= self._evaluate_if_due()
            self._run.log_metrics(logged, step=self.state.env_steps)
            self._watcher.iteration(self.state.env_steps, metrics)
            self._save_if_due()
        return self.state

    @property
    def is_over(self) -> bool:
        """Whether the steps or the minutes are used up."""
        minutes = self._config.max_training_minutes
        out_of_time = minutes is not None and self.state.seconds >= minutes * 60
        return out_of_time or self.state.env_steps >= self._config.total_env_steps

    def _learn(self) -> RolloutMetrics:
        """Train for one iteration, and add it to the curve."""
        begin = time.monotonic()
        try:
            result = self._algorithm.train()
        except RayError as error:
            # The reward client's own error is one clear line; Ray's around it is a remote traceback.
            health.raise_cause(error)
        metrics = health.check(
            result,
            env_steps=self._config.algorithm.iteration_env_steps,
            learner_may_lag=self._config.algorithm.learner_may_lag,
        )
        self.state = replace(
            self.state,
            env_steps=metrics.env_steps_lifetime,
            seconds=self.state.seconds + time.monotonic() - begin,
            curve=(*self.state.curve, _point(metrics)),
        )
        return metrics

    def _say_retries(self, metrics: RolloutMetrics) -> None:
        """Say once when reward requests begin to be sent again, and once when they no longer are."""
        if bool(metrics.retries) == self._retries_said:
            return
        self._retries_said = not self._retries_said
        self._watcher.notice(
            f"reward requests are sent again: {metrics.retries} times for {metrics.requests} requests of one iteration"
            if self._retries_said
            else "reward requests are answered at the first attempt again"
        )

    def _watch_for_hacking(self) -> dict[str, float]:
        """Show the alarm the newest point of the curve; the true reward cannot be hacked."""
        if self._config.uses_ground_truth or not self._alarm.update(self.state.curve[-1]):
            return {}
        self._watcher.notice(
            f"reward hacking at {self.state.env_steps:,} steps: the true success falls, and the reward's return does "
            "not fall with it"
        )
        return {"reward_hacking/alarm": 1.0}

    def _evaluate_if_due(self) -> dict[str, float]:
        every = self._config.evaluation.every_steps
        if every is None or self.is_over:  # the full evaluation comes next
            return {}
        last = self.state.held_out[-1].env_steps if self.state.held_out else 0
        if self.state.env_steps - last < every:
            return {}
        point = HeldOutPoint(self.state.env_steps, self._held_out_success())
        self.state = replace(self.state, held_out=(*self.state.held_out, point))
        return {"held_out/success_rate": point.success_rate}

    def _save_if_due(self) -> None:
        if self.state.env_steps - self._saved_at < self._config.checkpoint_every_steps and not self.is_over:
            return
        try:
            self.state = self._folder.write_checkpoint(self.state, lambda path: self._algorithm.save_to_path(str(path)))
        except RayError as error:
            # Learners write their own part; a disk that is full is theirs to say.
            health.raise_cause(error)
        self._saved_at = self.state.env_steps
        self._on_checkpoint(self.state)
        if not self.is_over and not self._config.algorithm.is_asynchronous:
            # What a resumed run would do here: so the two are equal.
            begin_anew(self._algorithm, seed_after(self._config.seed, self.state.env_steps))


def seed_after(seed: int, env_steps: int) -> int:
    """Return the seed of what comes after a checkpoint: of its own for every run and every place in it."""
    return int(np.random.SeedSequence([seed, env_steps]).generate_state(1)[0])


def _point(metrics: RolloutMetrics) -> CurvePoint:
    return CurvePoint(
        env_steps=metrics.env_steps_lifetime,
        reward_return=_or_nan(metrics.reward_return),
        success_rate=_or_nan(metrics.success_rate),
        online_precision=_or_nan(metrics.online_precision),
        reward_successes=metrics.reward_successes,
        true_reward_successes=metrics.true_reward_successes,
    )


def _or_nan(value: float | None) -> float:
    """Return a mean over nothing as NaN: a gap in the curve."""
    return math.nan if value is None else value
