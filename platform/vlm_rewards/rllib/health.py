"""Says at once when an iteration of RLlib did not do what it was asked to.

RLlib's own habit is to carry on: `train()` may return without env runners, with fewer steps, or with NaN. Here every
result is checked, and trouble is a typed error that ends the run.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NoReturn

from ray.exceptions import RayTaskError
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, LEARNER_RESULTS

from vlm_rewards.errors import NonFiniteRewardError, VLMRewardsError
from vlm_rewards.rllib.metrics import RolloutMetrics, read_metrics


class UnhealthyIterationError(VLMRewardsError):
    """A training iteration that lost env runners or steps, or whose learner diverged."""


class EnvRunnersLostError(UnhealthyIterationError):
    """Env runners that die again and again, or fell silent: from its last checkpoint the training may go on."""

    retryable: ClassVar[bool] = True


def check(
    result: Mapping[str, Any],
    *,
    env_steps: int | None = None,
    env_runners: int = 0,
    learner_may_lag: bool = False,
) -> RolloutMetrics:
    """Check what `Algorithm.train()` returned.

    Args:
        result: Result of one iteration.
        env_steps: Fewest steps that the iteration should have sampled: the train batch size.
        env_runners: Remote env runners that should be alive, and never have been restarted; 0 asks for none, as where
            sampling is the driver's or lost ones are replaced (`vlm_rewards.rllib.elastic`).
        learner_may_lag: Whether an iteration may pass without a learner update, as those of asynchronous algorithms do
            while a batch fills. Their learner raises its own errors.

    Returns:
        The iteration's metrics.

    Raises:
        UnhealthyIterationError: No samples, fewer than asked, lost or restarted env runners, no learner update, or a
            loss that is not finite.
        NonFiniteRewardError: A mean over rewards that is not finite, or steps that got no reward.
    """
    if not result.get(ENV_RUNNER_RESULTS):
        raise UnhealthyIterationError(
            "train() returned without any samples: its env runners have failed or are stalled; see their logs"
        )
    alive = result.get("fault_tolerance", {})
    if env_runners and alive.get("num_healthy_workers", env_runners) < env_runners:
        raise UnhealthyIterationError(
            f"{alive['num_healthy_workers']} of {env_runners} env runners are left; see the logs of the others"
        )
    if env_runners and alive.get("num_remote_worker_restarts", 0):
        raise UnhealthyIterationError(
            f"{alive['num_remote_worker_restarts']} env runners were restarted, and what they sampled is lost"
        )
    metrics = read_metrics(result)
    if metrics.env_steps < (env_steps or 1):
        raise UnhealthyIterationError(
            f"the iteration has {metrics.env_steps} steps where {env_steps or 1} were asked; "
            "an env runner stalled or failed, see its log"
        )
    if metrics.rewarded_steps != metrics.env_steps:
        raise NonFiniteRewardError(
            f"{metrics.env_steps - metrics.rewarded_steps} of {metrics.env_steps} steps got no reward from the reward "
            "model; is RewardConnector the first env-to-module piece?"
        )
    for name, value in metrics.to_dict().items():
        if not math.isfinite(value):
            raise NonFiniteRewardError(f"{name} is {value} in this iteration; nothing may train on it")
    learners = result.get(LEARNER_RESULTS, {})
    if not learners and not learner_may_lag:
        raise UnhealthyIterationError("train() returned without a learner update; see the learner's log")
    for name, value in _losses(learners):
        if not math.isfinite(value):
            raise UnhealthyIterationError(f"{name} is {value}: training diverged; lower the learning rate")
    return metrics


def cause(error: BaseException) -> BaseException:
    """Return the error that an env runner raised, taken out of Ray's wrapping if it came from another process.

    Its message is the one clear line that the wrapped error buries in a remote traceback.
    """
    while isinstance(error, RayTaskError) and isinstance(error.cause, BaseException):
        error = error.cause
    return error


def raise_cause(error: BaseException) -> NoReturn:
    """Raise the `cause` of an error, which says where it came from unless it is that error itself.

    An exception that is its own cause is a circle, and whoever follows it, as Tune does, does not come back.
    """
    own = cause(error)
    if own is error:
        raise error
    raise own from error


def _losses(learners: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for module, values in learners.items():
        for name, value in values.items():
            if "loss" in name and isinstance(value, (int, float)):
                yield f"{name} of {module}", float(value)
