"""What one training iteration says about its episodes and its rewards, exact over the iteration.

Everything is logged as a sum, or as the list of all values, and divided only in `read_metrics`: means of means would
weigh env runners and moments unequally, and RLlib's default reduction is a moving average.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED, NUM_ENV_STEPS_SAMPLED_LIFETIME
from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

METRICS_KEY = "vlm_rewards"
"""Where the values lie in `result["env_runners"]`."""


@dataclass
class EpisodeLedger:
    """What is known of one episode apart from what the agent trains on; lies in `episode.custom_data`.

    Attributes:
        goal_id: The episode's goal.
        steps: So far.
        scores: The reward model's score of every step so far: p(goal) of equation 1, or a dense form's number. Empty
            for an agent that trains on the environment's own reward.
        goal_scores: Scores of the latest steps for all training goals, each float32 (G,), oldest first: as many as
            hindsight needs where several states must agree, and else none.
        reward_return: Sum of the rewards that the agent trains on.
        env_return: Sum of the environment's own rewards, which no agent with a reward model sees.
        succeeded: The reward says that the goal has been reached. A dense form never says so.
        is_success: The env says that the goal has been reached by now.
        goal_achieved: The env says that the goal holds in the latest state.
    """

    goal_id: str
    steps: int = 0
    scores: list[float] = field(default_factory=list)
    goal_scores: list[npt.NDArray[np.float32]] = field(default_factory=list)
    reward_return: float = 0.0
    env_return: float = 0.0
    succeeded: bool = False
    is_success: bool = False
    goal_achieved: bool = False


@dataclass(frozen=True)
class RolloutMetrics:
    """The metrics of one training iteration. Means are None where there was nothing to take a mean of.

    Attributes:
        env_steps: Steps of this iteration.
        env_steps_lifetime: Steps of the run so far.
        rewarded_steps: Steps that got a reward; equal to `env_steps` unless something is wrong.
        episodes: That ended in this iteration.
        episode_length: Mean, in steps.
        reward_return: Mean over episodes of the sum of the rewards that the agent trains on: those of equation 2, of a
            dense form, or of the environment.
        env_return: Mean over episodes of the sum of the environment's own rewards.
        success_rate: Share of the episodes in which the environment says that the goal was reached, in [0, 1].
        online_precision: `true_reward_successes / reward_successes`, in [0, 1].
        reward_successes: Episodes that the reward ended: none with a dense form, whose precision is None.
        true_reward_successes: How many of these in a state in which the goal holds.
        missed_successes: Episodes that reached the goal but which the reward did not end.
        score: Mean over steps of the reward model's score: p(goal) of equation 1, in [0, 1], or a dense form's number.
            None without a reward model.
        requests: Reward requests.
        retries: Attempts beyond the first of each request.
        request_latency_p50_s: Median seconds a request, retries included.
        request_latency_p95_s: 95th percentile.
    """

    env_steps: int
    env_steps_lifetime: int
    rewarded_steps: int
    episodes: int
    episode_length: float | None
    reward_return: float | None
    env_return: float | None
    success_rate: float | None
    online_precision: float | None
    reward_successes: int
    true_reward_successes: int
    missed_successes: int
    score: float | None
    requests: int
    retries: int
    request_latency_p50_s: float | None
    request_latency_p95_s: float | None

    def to_dict(self) -> dict[str, float]:
        """Return name to number in the units of the attributes, without those that are None: for a metrics store."""
        return {name: float(value) for name, value in asdict(self).items() if value is not None}


def log_episode(metrics: MetricsLogger, ledger: EpisodeLedger) -> None:
    """Add an episode that has just ended to the iteration's sums."""
    values = {
        "episodes": 1,
        "episode_steps": ledger.steps,
        "reward_return_sum": ledger.reward_return,
        "env_return_sum": ledger.env_return,
        "successes": int(ledger.is_success),
        "reward_successes": int(ledger.succeeded),
        "true_reward_successes": int(ledger.succeeded and ledger.goal_achieved),
        "missed_successes": int(ledger.is_success and not ledger.succeeded),
    }
    for name, value in values.items():
        metrics.log_value((METRICS_KEY, name), value, reduce="sum")


def log_steps(metrics: MetricsLogger, steps: int, scores: npt.ArrayLike | None) -> None:
    """Add the rewarded steps of one vector step to the iteration's sums.

    Args:
        metrics: The env runner's logger.
        steps: How many steps got a reward.
        scores: float32 (steps,), the reward model's; None for rewards that no model gave.
    """
    metrics.log_value((METRICS_KEY, "rewarded_steps"), steps, reduce="sum")
    if scores is not None:
        metrics.log_value((METRICS_KEY, "scored_steps"), np.size(scores), reduce="sum")
        metrics.log_value((METRICS_KEY, "score_sum"), float(np.sum(scores, dtype=np.float64)), reduce="sum")


def log_requests(metrics: MetricsLogger, requests: int, retries: int, latencies_s: list[float]) -> None:
    """Add requests to the iteration's sums.

    Args:
        metrics: The env runner's logger.
        requests: Number of them.
        retries: Attempts beyond the first.
        latencies_s: Seconds, one entry a request that was answered.
    """
    metrics.log_value((METRICS_KEY, "requests"), requests, reduce="sum")
    metrics.log_value((METRICS_KEY, "retries"), retries, reduce="sum")
    for latency in latencies_s:
        metrics.log_value((METRICS_KEY, "request_latencies_s"), latency, reduce="item_series")


def read_metrics(result: Mapping[str, Any]) -> RolloutMetrics:
    """Read the metrics out of what `Algorithm.train()` returned.

    Args:
        result: Result of one iteration, of an algorithm whose env runners have a `RewardConnector`.

    Returns:
        The iteration's metrics; zeros and None where the result holds nothing. Whether that is a sign of trouble is
        `health.check`'s question.
    """
    runners = result.get(ENV_RUNNER_RESULTS, {})
    values = runners.get(METRICS_KEY, {})

    def total(name: str) -> float:
        return float(values.get(name, 0.0))

    def count(name: str) -> int:
        # RLlib's sum over nothing is NaN: where no episode ended, after iterations in which some did.
        return 0 if math.isnan(total(name)) else int(total(name))

    def ratio(numerator: str, denominator: str) -> float | None:
        return total(numerator) / count(denominator) if count(denominator) else None

    latencies = values.get("request_latencies_s", [])
    p50, p95 = np.percentile(latencies, [50, 95]).tolist() if np.size(latencies) else (None, None)
    return RolloutMetrics(
        env_steps=int(runners.get(NUM_ENV_STEPS_SAMPLED, 0)),
        env_steps_lifetime=int(runners.get(NUM_ENV_STEPS_SAMPLED_LIFETIME, 0)),
        rewarded_steps=count("rewarded_steps"),
        episodes=count("episodes"),
        episode_length=ratio("episode_steps", "episodes"),
        reward_return=ratio("reward_return_sum", "episodes"),
        env_return=ratio("env_return_sum", "episodes"),
        success_rate=ratio("successes", "episodes"),
        online_precision=ratio("true_reward_successes", "reward_successes"),
        reward_successes=count("reward_successes"),
        true_reward_successes=count("true_reward_successes"),
        missed_successes=count("missed_successes"),
        score=ratio("score_sum", "scored_steps"),
        requests=count("requests"),
        retries=count("retries"),
        request_latency_p50_s=p50,
        request_latency_p95_s=p95,
    )
