"""What one training iteration says about its episodes and its rewards, exact over the iteration.

Everything is logged as a sum, or as the list of all values, and divided only in `read_metrics`: means of means would
weigh env runners and moments unequally, and RLlib's default reduction is a moving average.
"""

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
        goal_id: the episode's goal.
        steps: so far.
        probabilities: p(goal) of every step so far, equation 1.
        vlm_return: sum of the rewards, of equation 2 or of a dense form.
        ground_truth_return: sum of the env's own rewards.
        succeeded: the reward says that the goal has been reached. A dense form never says so.
        is_success: the env says that the goal has been reached by now.
        goal_achieved: the env says that the goal holds in the latest state.
    """

    goal_id: str
    steps: int = 0
    probabilities: list[float] = field(default_factory=list)
    vlm_return: float = 0.0
    ground_truth_return: float = 0.0
    succeeded: bool = False
    is_success: bool = False
    goal_achieved: bool = False


@dataclass(frozen=True)
class RolloutMetrics:
    """The metrics of one training iteration. Means are None where there was nothing to take a mean of.

    Attributes:
        env_steps: steps of this iteration.
        env_steps_lifetime: steps of the run so far.
        scored_steps: steps that got a reward; equal to `env_steps` unless something is wrong.
        episodes: that ended in this iteration.
        episode_length: mean, in steps.
        vlm_return: mean over episodes of the sum of rewards (equation 2, or a dense form).
        ground_truth_return: fraction of episodes in which the env says that the goal was reached.
        online_precision: `true_vlm_successes / vlm_successes`.
        vlm_successes: episodes that the reward ended: none with a dense form, whose precision is None.
        true_vlm_successes: of these, how many in a state in which the goal holds.
        missed_successes: episodes that reached the goal but which the reward did not end.
        mean_probability: mean of p(goal) over steps (equation 1).
        requests: reward requests.
        retries: attempts beyond the first of each request.
        request_latency_p50_s: median seconds a request, retries included.
        request_latency_p95_s: 95th percentile.
    """

    env_steps: int
    env_steps_lifetime: int
    scored_steps: int
    episodes: int
    episode_length: float | None
    vlm_return: float | None
    ground_truth_return: float | None
    online_precision: float | None
    vlm_successes: int
    true_vlm_successes: int
    missed_successes: int
    mean_probability: float | None
    requests: int
    retries: int
    request_latency_p50_s: float | None
    request_latency_p95_s: float | None

    def to_dict(self) -> dict[str, float]:
        """Returns name to number, without those that are None: what a metrics store takes."""
        return {name: float(value) for name, value in asdict(self).items() if value is not None}


def log_episode(metrics: MetricsLogger, ledger: EpisodeLedger) -> None:
    """Adds an episode that has just ended to the iteration's sums."""
    values = {
        "episodes": 1,
        "episode_steps": ledger.steps,
        "vlm_return_sum": ledger.vlm_return,
        "ground_truth_return_sum": float(ledger.is_success),
        "vlm_successes": int(ledger.succeeded),
        "true_vlm_successes": int(ledger.succeeded and ledger.goal_achieved),
        "missed_successes": int(ledger.is_success and not ledger.succeeded),
    }
    for name, value in values.items():
        metrics.log_value((METRICS_KEY, name), value, reduce="sum")


def log_rewards(metrics: MetricsLogger, probabilities: npt.ArrayLike) -> None:
    """Adds the steps of one vector step to the iteration's sums.

    Args:
        metrics: the env runner's logger.
        probabilities: float32 (N,), p(goal), or the true rewards of an agent that trains on these.
    """
    metrics.log_value((METRICS_KEY, "scored_steps"), np.size(probabilities), reduce="sum")
    metrics.log_value((METRICS_KEY, "probability_sum"), float(np.sum(probabilities, dtype=np.float64)), reduce="sum")


def log_requests(metrics: MetricsLogger, requests: int, retries: int, latencies_s: list[float]) -> None:
    """Adds requests to the iteration's sums.

    Args:
        metrics: the env runner's logger.
        requests: number of them.
        retries: attempts beyond the first.
        latencies_s: seconds, one entry a request that was answered.
    """
    metrics.log_value((METRICS_KEY, "requests"), requests, reduce="sum")
    metrics.log_value((METRICS_KEY, "retries"), retries, reduce="sum")
    for latency in latencies_s:
        metrics.log_value((METRICS_KEY, "request_latencies_s"), latency, reduce="item_series")


def read_metrics(result: Mapping[str, Any]) -> RolloutMetrics:
    """Reads the metrics out of what `Algorithm.train()` returned.

    Args:
        result: of one iteration, of an algorithm whose env runners have a `RewardConnector`.

    Returns:
        The iteration's metrics; zeros and None where the result holds nothing. Whether that is a sign of trouble is
        `health.check`'s question.
    """
    runners = result.get(ENV_RUNNER_RESULTS, {})
    values = runners.get(METRICS_KEY, {})

    def total(name: str) -> float:
        return float(values.get(name, 0.0))

    def ratio(numerator: str, denominator: str) -> float | None:
        return total(numerator) / total(denominator) if total(denominator) else None

    latencies = values.get("request_latencies_s", [])
    p50, p95 = np.percentile(latencies, [50, 95]).tolist() if np.size(latencies) else (None, None)
    return RolloutMetrics(
        env_steps=int(runners.get(NUM_ENV_STEPS_SAMPLED, 0)),
        env_steps_lifetime=int(runners.get(NUM_ENV_STEPS_SAMPLED_LIFETIME, 0)),
        scored_steps=int(total("scored_steps")),
        episodes=int(total("episodes")),
        episode_length=ratio("episode_steps", "episodes"),
        vlm_return=ratio("vlm_return_sum", "episodes"),
        ground_truth_return=ratio("ground_truth_return_sum", "episodes"),
        online_precision=ratio("true_vlm_successes", "vlm_successes"),
        vlm_successes=int(total("vlm_successes")),
        true_vlm_successes=int(total("true_vlm_successes")),
        missed_successes=int(total("missed_successes")),
        mean_probability=ratio("probability_sum", "scored_steps"),
        requests=int(total("requests")),
        retries=int(total("retries")),
        request_latency_p50_s=p50,
        request_latency_p95_s=p95,
    )
