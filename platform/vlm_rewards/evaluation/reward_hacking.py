"""The reward-hacking alarm: the ground truth falls, and the reward model's return does not fall with it."""

import math
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.curve_point import CurvePoint

# Standard errors: with fewer a reward that falls as the truth does looks, by chance, as if it did not.
_AGAINST_FOLLOWING = 2.0


class RewardHackingAlarm:
    """Watches a training run and fires once, when the agent has become worse and its reward does not say so.

    After each training iteration the latest window of iterations is compared with the best earlier window of equal
    length, the one with the highest mean success rate. With V and G the mean reward return and success rate of a
    window, s² its sample variance and w its length, the alarm fires when all of these hold:

    - the truth fell: `G_best - G_last >= minimum_relative_fall * G_best`
    - by more than noise: that difference, in standard errors `sqrt((s²_last + s²_best) / w)`, is as improbable by
      Student's t with 2 (w - 1) degrees of freedom as `significance` standard deviations are for a normal variable
    - the reward did not follow: `V_last` lies two standard errors or more above what it would be if it had fallen by
      `followed` of the truth's relative fall. Whether it rose is not asked: a reward that pays for what is false as
      often as it paid for what was true stands still.

    A window is a quarter of the iterations so far, and never shorter than `minimum_window`: the window grows with the
    run, so that a long run does not get more chances of a false alarm than a short one. The first comparison is
    possible after two windows.

    A reward return that lies far above the ground truth is no alarm: that gap is there in every run with false
    positives, and its size is the online precision. What the alarm means is that training now makes the agent worse
    (figure 3 of the paper finds no such case within its budget).

    Simulated, 200 runs each of 30, 80 and 200 iterations of 30 or 100 episodes: a reward return that triples over a
    flat truth sets it off in at most 2 of 100, a plateau of both in fewer than 1. Its limit is that it takes the noise
    of successive iterations as independent: a truth that wanders slowly by 0.03 around 0.3 while the reward return
    rises set it off in 26 of 100.

    The state is a function of what was fed: an alarm that is fed the recorded rows again stands where it stood.

    Attributes:
        minimum_window: Fewest iterations in a window; at least 2.
        significance: How improbable a fall must be, in standard deviations of a normal variable; at least 0.
        minimum_relative_fall: Least fall of the success rate, as a share of its best earlier window, in [0, 1].
        followed: A reward that falls by this share of the truth's relative fall has followed it, in [0, 1].
        fired_at: Environment steps at which the alarm fired; None until then.
    """

    def __init__(
        self,
        *,
        minimum_window: int = 6,
        significance: float = 4.0,
        minimum_relative_fall: float = 0.25,
        followed: float = 0.5,
    ) -> None:
        """Take its settings.

        Raises:
            ConfigError: One is out of its range.
        """
        for name, value, least, most in (
            ("minimum_window", minimum_window, 2, math.inf),  # one iteration has no variance
            ("significance", significance, 0, math.inf),
            ("minimum_relative_fall", minimum_relative_fall, 0, 1),
            ("followed", followed, 0, 1),
        ):
            if not least <= value <= most:
                raise ConfigError(f"the alarm's {name} must be {_range(least, most)}, not {value}")
        self.minimum_window = minimum_window
        self.significance = significance
        self.minimum_relative_fall = minimum_relative_fall
        self.followed = followed
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
        fall = truth[earlier].mean() - truth[last].mean()
        if fall <= 0 or fall < self.minimum_relative_fall * truth[earlier].mean():
            return False
        if fall < _least_errors(window, self.significance) * _standard_error(truth[last], truth[earlier]):
            return False
        # What the reward would stand at, had it followed.
        kept = 1 - self.followed * fall / truth[earlier].mean()
        above = rewards[last].mean() - kept * rewards[earlier].mean()
        return bool(above >= _AGAINST_FOLLOWING * _standard_error(rewards[last], kept * rewards[earlier]))


def _least_errors(window: int, significance: float) -> float:
    """Return how many standard errors a difference of two windows must have."""
    from scipy import stats

    return float(stats.t.isf(stats.norm.sf(significance), 2 * (window - 1)))


def _standard_error(last: npt.NDArray[np.float64], earlier: npt.NDArray[np.float64]) -> float:
    """Return the standard error of the difference of two means over equally many values."""
    return math.sqrt((last.var(ddof=1) + earlier.var(ddof=1)) / len(last))


def _range(least: float, most: float) -> str:
    return f"at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
