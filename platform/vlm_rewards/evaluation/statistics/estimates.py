"""Means over seeds, with an interval that says what it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

STUDENT_T = "95 % Student t over seeds"
RANGE = "range of two seeds"
ONE_SEED = "none for one seed"
WILSON = "95 % Wilson over episodes"


@dataclass(frozen=True)
class Estimate:
    """A success rate.

    Attributes:
        mean: Mean over seeds, in [0, 1].
        low: Lower end of the interval; NaN where there is none.
        high: Upper end, as above.
        seeds: How many trials.
        kind: What the interval is, in words.
    """

    mean: float
    low: float
    high: float
    seeds: int
    kind: str


def seed_interval(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray, npt.NDArray, str]:
    """Return the interval of the mean over seeds, cut to [0, 1], and what it is.

    From three seeds on it is Student's: mean ± t(0.975, n - 1) · s / sqrt(n), with s the sample standard deviation over
    n seeds. Two seeds have a t of 12.7, whose interval covers nearly everything and shows nothing: theirs is their
    range, and no confidence is claimed. One seed has none.

    Args:
        values: float64 (seeds, ...), in [0, 1].

    Returns:
        Two float64 arrays (...), both equal to the mean with one seed, and one of `STUDENT_T`, `RANGE` and `ONE_SEED`.
    """
    from scipy import stats

    count = len(values)
    mean = values.mean(0)
    if count == 1:
        return mean, mean, ONE_SEED
    if count == 2:
        return values.min(0), values.max(0), RANGE
    half = stats.t.ppf(0.975, count - 1) * values.std(0, ddof=1) / np.sqrt(count)
    return np.maximum(mean - half, 0.0), np.minimum(mean + half, 1.0), STUDENT_T


def success_over_seeds(rates: Sequence[tuple[float, float, float]]) -> Estimate | None:
    """Return the mean success of trials that differ in their seed alone.

    Args:
        rates: Of each trial its success rate and the ends of its own Wilson interval over episodes, NaN if unknown.
            That interval is used where there is one trial: it knows nothing of how much seeds differ.

    Returns:
        None without a trial.
    """
    if not rates:
        return None
    if len(rates) == 1:
        rate, low, high = rates[0]
        return Estimate(rate, low, high, 1, WILSON if np.isfinite([low, high]).all() else ONE_SEED)
    values = np.array([rate for rate, _, _ in rates], np.float64)
    lower, upper, kind = seed_interval(values)
    return Estimate(float(values.mean()), float(lower), float(upper), len(rates), kind)
