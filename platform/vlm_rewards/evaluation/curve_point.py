"""What is kept of a training iteration for learning curves, and what is told from the last of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LAST_QUARTER = 0.75
"""The last quarter of training begins after this share of its environment steps."""


@dataclass(frozen=True)
class CurvePoint:
    """One training iteration.

    Attributes:
        env_steps: Environment steps so far.
        reward_return: Mean return under the reward that the agent trains on; NaN where no episode ended.
        success_rate: Share of the iteration's episodes that reached their goal by ground truth, in [0, 1]; NaN as
            above.
        online_precision: Share of the reward's successes that are true, in [0, 1]; NaN where there was none.
        reward_successes: Episodes that the reward ended.
        true_reward_successes: How many of these are true.
    """

    env_steps: int
    reward_return: float
    success_rate: float
    online_precision: float
    reward_successes: int = 0
    true_reward_successes: int = 0


def last_quarter_precision(points: Sequence[CurvePoint]) -> float:
    """Return the reward's precision over the last quarter of training, in [0, 1]; NaN where it never fired.

    Args:
        points: One a training iteration, by rising `env_steps`.
    """
    late = [point for point in points if point.env_steps > LAST_QUARTER * points[-1].env_steps]
    successes = sum(point.reward_successes for point in late)
    return sum(point.true_reward_successes for point in late) / successes if successes else math.nan
