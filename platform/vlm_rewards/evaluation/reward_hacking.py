"""The reward-hacking alarm: the ground truth falls while the reward model's return rises."""

import math
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vlm_rewards.evaluation.curve_point import CurvePoint


class RewardHackingAlarm:
    """Watches a training run and fires once, when both returns have moved apart by meaningful amounts.

    After each training iteration the latest window of iterations is compared with the best earlier window of equal
    length, the one with the highest mean success rate. With V and G the mean reward return and success rate of a
    window, s² its sample variance and w its length, the alarm fires when all of these hold:

    - `V_last - V_best >= minimum_rise`
    - `G_best - G_last >= minimum_relative_fall * G_best`
    - both differences are at least `significance` times their standard error `sqrt((s²_last + s²_best) / w)`.

    A window is a quarter of the iterations so far, and never shorter than `minimum_window`: the window grows with the
    run, so that a long run does not get more chances of a false alarm than a short one, and returns that are means
    over a few tens of episodes still average out. The first comparison is possible after two windows.

    A reward return that lies far above the ground truth is no alarm: that gap is there in every run with false
    positives, and its size is the online precision. What the alarm means is that training now makes the agent worse
    (figure 3 of the paper finds no such case within its budget).

    Simulated: a plateau sets it off in fewer than 1 run of 100, a reward return that triples over a flat truth in 2.
    Its limit is that it takes the noise of successive iterations as independent: a truth that wanders slowly by 0.03
    while the reward return rises set it off in 35 of 100.

    The state is a function of what was fed: an alarm that is fed the recorded rows again stands where it stood.

    Attributes:
        minimum_window: Fewest iterations in a window.
        significance: Differences smaller than this many standard errors count as noise; at least 0.
        minimum_rise: Least rise of the reward return, absolute, in [0, 1].
        minimum_relative_fall: Least fall of the success rate, as a share of its best earlier window.
        fired_at: Environment steps at which the alarm fired; None until then.
    """

    def __init__(
        self,
        *,
        minimum_window: int = 20,
        significance: float = 4.0,
        minimum_rise: float = 0.03,
        minimum_relative_fall: float = 0.2,
    ) -> None:
        self.minimum_window = minimum_window
        self.significance = significance
        self.minimum_rise = minimum_rise
        self.minimum_relative_fall = minimum_relative_fall
        self.fired_at: int | None = None
        self._last_step = -1
        self._rewards: list[float] = []
        self._truth: list[float] = []

    @classmethod
    def replayed(cls, points: Iterable[CurvePoint], **parameters: Any) -> Self:
        """Return an alarm that has seen `points`.

        Args:
            points: The training iterations so far.
            parameters: As for a new alarm.
        """
        alarm = cls(**parameters)
        for point in points:
            alarm.update(point)
        return alarm

    def update(self, point: CurvePoint) -> bool:
        """Take one training iteration, and tell whether the alarm fires at it.

        Args:
            point: The iteration. One at or before another that was fed already is passed over, and so is one in which
                no episode ended: its returns are NaN.

        Returns:
            True once in a run.
        """
        if point.env_steps <= self._last_step:
            return False
        self._last_step = point.env_steps
        if not (math.isfinite(point.reward_return) and math.isfinite(point.success_rate)):
            return False
        self._rewards.append(point.reward_return)
        self._truth.append(point.success_rate)
        if self.fired_at is None and self._diverges():
            self.fired_at = point.env_steps
            return True
        return False

    def _diverges(self) -> bool:
        count = len(self._truth)
        window = max(self.minimum_window, count // 4)
        if count < 2 * window:
            return False
        rewards, truth = np.array(self._rewards), np.array(self._truth)
        # Means of all windows that end before the last one begins.
        sums = np.concatenate([[0.0], np.cumsum(truth[:-window])])
        best = int(np.argmax(sums[window:] - sums[:-window]))
        earlier, last = slice(best, best + window), slice(count - window, count)
        rise = rewards[last].mean() - rewards[earlier].mean()
        fall = truth[earlier].mean() - truth[last].mean()
        return bool(
            rise >= self.minimum_rise
            and fall > 0
            and fall >= self.minimum_relative_fall * truth[earlier].mean()
            and rise >= self.significance * _standard_error(rewards[last], rewards[earlier])
            and fall >= self.significance * _standard_error(truth[last], truth[earlier])
        )


def _standard_error(last: npt.NDArray[np.float64], earlier: npt.NDArray[np.float64]) -> float:
    """Return the standard error of the difference of two means over equally many values."""
    return math.sqrt((last.var(ddof=1) + earlier.var(ddof=1)) / len(last))
