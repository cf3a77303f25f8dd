"""Success rates over seeds and tasks, with an interval that says what it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_rewards.evaluation.statistics.interquartile import interquartile_mean, stratified_bootstrap

FEWEST_SEEDS = 3
"""From so many seeds on, a value over seeds is their interquartile mean with a bootstrap interval."""

IQM = "IQM over seeds, 95 % stratified bootstrap"
RANGE = "mean and range of two seeds"
ONE_SEED = "one seed, no interval"
WILSON = "one seed, 95 % Wilson over episodes"


@dataclass(frozen=True)
class Estimate:
    """A success rate.

    Attributes:
        value: Success rate over seeds, in [0, 1]: their interquartile mean from three seeds on, else their mean.
        low: Lower end of the interval, in [0, 1]; NaN where there is none.
        high: Upper end of the interval, in [0, 1]; NaN where there is none.
        seeds: How many trials it is made of.
        kind: What value and interval are, in words.
    """

    value: float
    low: float
    high: float
    seeds: int
    kind: str


def over_seeds(values: npt.NDArray[np.float64]) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Return the value over seeds, the ends of its interval, and what they are.

    From three seeds on it is the interquartile mean with its 95 % bootstrap interval. Two seeds have their mean and
    their range, and no confidence is claimed. One seed has no interval.

    Args:
        values: float64 (seeds, ...), finite.

    Returns:
        Three float64 arrays (...,), all equal with one seed, and one of `IQM`, `RANGE` and `ONE_SEED`.
    """
    if len(values) == 1:
        return values[0], values[0], values[0], ONE_SEED
    if len(values) < FEWEST_SEEDS:
        return values.mean(0), values.min(0), values.max(0), RANGE
    return interquartile_mean(values), *stratified_bootstrap([values]), IQM


def success_over_seeds(rates: Sequence[tuple[float, float, float]]) -> Estimate | None:
    """Return the success rate of trials that differ in their seed alone.

    Args:
        rates: The success rate of each trial and the ends of its own Wilson interval over episodes, NaN if unknown.
            That interval is used where there is one trial: it knows nothing of how much seeds differ.

    Returns:
        None without a trial.
    """
    if not rates:
        return None
    if len(rates) == 1:
        rate, low, high = rates[0]
        return Estimate(rate, low, high, 1, WILSON if np.isfinite([low, high]).all() else ONE_SEED)
    value, lower, upper, kind = over_seeds(np.array([rate for rate, _, _ in rates], np.float64))
    return Estimate(float(value), float(lower), float(upper), len(rates), kind)


def success_over_tasks(rates: Sequence[Sequence[float]]) -> Estimate | None:
    """Return the interquartile mean of the success rates of all tasks and seeds together.

    Args:
        rates: The success rates of each task's trials.

    Returns:
        None with fewer than two tasks, or a task of fewer than three seeds: there is nothing to draw from.
    """
    if len(rates) < 2 or min(map(len, rates)) < FEWEST_SEEDS:
        return None
    strata = [np.array(of_task, np.float64) for of_task in rates]
    low, high = stratified_bootstrap(strata)
    together = np.concatenate(strata)
    return Estimate(float(interquartile_mean(together)), float(low), float(high), len(together), IQM)
