"""Success rates of evaluation episodes, over all goals and goal by goal, with their uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_rewards.evaluation.episodes import EpisodeResult
from vlm_rewards.extras import needs_extra


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the ends of the 95 % Wilson score interval of a share of at least one trial."""
    with needs_extra("offline"):
        from scipy import stats

    interval = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class SuccessRate:
    """Successes among episodes.

    Attributes:
        successes: Episodes in which the ground truth says that the goal was reached.
        episodes: All episodes.
        mean_length: Mean number of steps.
        mean_return: Mean of the sums of the environment's own rewards. The share of successes, where it pays 1 for
            these and ends the episode.
    """

    successes: int
    episodes: int
    mean_length: float
    mean_return: float

    @property
    def rate(self) -> float:
        """Share of successes, in [0, 1]."""
        return self.successes / self.episodes

    def interval(self) -> tuple[float, float]:
        """Return the 95 % Wilson score interval, which stays sound near 0 and 1."""
        return wilson_interval(self.successes, self.episodes)


@dataclass(frozen=True)
class EvaluationSummary:
    """What an evaluation found.

    Attributes:
        overall: Success rate over all episodes.
        by_goal: Success rate by goal id, in the order of first appearance.
    """

    overall: SuccessRate
    by_goal: dict[str, SuccessRate]


def summarise(results: Sequence[EpisodeResult]) -> EvaluationSummary:
    """Return the success rates of `results`, which must not be empty."""
    by_goal: dict[str, list[EpisodeResult]] = {}
    for result in results:
        by_goal.setdefault(result.goal_id, []).append(result)
    return EvaluationSummary(_rate(results), {goal_id: _rate(of_goal) for goal_id, of_goal in by_goal.items()})


def _rate(results: Sequence[EpisodeResult]) -> SuccessRate:
    return SuccessRate(
        successes=sum(result.success for result in results),
        episodes=len(results),
        mean_length=sum(result.length for result in results) / len(results),
        mean_return=sum(result.env_return for result in results) / len(results),
    )
