"""Does a score rise as an episode comes nearer to its goal? Rank correlations with time and with value."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import stats

_FEWEST_STATES = 2


def value_order_correlation(scores: np.ndarray, labels: np.ndarray, trajectory: np.ndarray) -> float:
    """Return the value-order correlation (VOC): Spearman's rank correlation of score and time (Ma et al. 2024, GVL).

    It is taken within each trajectory that reaches its goal, from its first state to the first in which the goal
    holds, and averaged over them. A trajectory whose score never changes counts as 0: nothing in it rises.

    Args:
        scores: float (N,), by trajectory and step.
        labels: bool (N,), whether the state has reached its goal.
        trajectory: int (N,), the trajectory of each state, whose states lie together in order.

    Returns:
        A number in [-1, 1]: 1 where scores rise all the way, about 0 for those that know nothing of progress. NaN
        where no trajectory reaches its goal after its first state.
    """
    return _mean_order(scores, labels, trajectory, lambda values, time: stats.spearmanr(values, time).statistic)


def time_kendall_tau(scores: np.ndarray, labels: np.ndarray, trajectory: np.ndarray) -> float:
    """Return Kendall's tau-b of score and time, within and over trajectories as `value_order_correlation` takes it.

    It asks of each pair of states whether the later one scores higher (Dwibedi et al. 2019, TCC, ask the same of pairs
    of frames), so one state out of place costs less than in Spearman's.

    Args:
        scores: float (N,), by trajectory and step.
        labels: bool (N,), whether the state has reached its goal.
        trajectory: int (N,), the trajectory of each state, whose states lie together in order.

    Returns:
        A number in [-1, 1], or NaN where no trajectory reaches its goal after its first state.
    """
    return _mean_order(scores, labels, trajectory, lambda values, time: stats.kendalltau(values, time).statistic)


def discounted_values(labels: np.ndarray, trajectory: np.ndarray, discount: float = 0.99) -> npt.NDArray[np.float64]:
    """Return what the rest of each state's trajectory is worth: `discount ** k` where the goal holds k steps later.

    One sample a state of the value of the policy that recorded it: exact for a scripted policy in a deterministic
    environment, noisy for a random one.

    Args:
        labels: bool (N,), whether the state has reached its goal.
        trajectory: int (N,), the trajectory of each state, whose states lie together in order.
        discount: Discount a step, in (0, 1).

    Returns:
        float64 (N,) in [0, 1], 1 where the goal holds, 0 where it never does from there on.
    """
    labels = np.asarray(labels, bool)
    values = np.zeros(len(labels))
    for begin, end in _spans(trajectory):
        value = 0.0
        for row in range(end - 1, begin - 1, -1):
            value = 1.0 if labels[row] else discount * value
            values[row] = value
    return values


def value_correlation(
    scores: np.ndarray, labels: np.ndarray, trajectory: np.ndarray, goals: np.ndarray
) -> tuple[float, float]:
    """Return how well the score ranks states by `discounted_values`: Spearman's rho and Kendall's tau-b.

    Both are taken over all states of a goal together and averaged over goals: an agent compares states of its own
    goal alone. Ranking by a reference policy's Q tells dense signals apart before any training (Hernández-Gutiérrez
    et al. 2026, QVal).

    Args:
        scores: float (N,), by trajectory and step.
        labels: bool (N,), whether the state has reached its goal.
        trajectory: int (N,), the trajectory of each state, whose states lie together in order.
        goals: (N,) of any dtype, the goal of each state.

    Returns:
        Two numbers in [-1, 1]; NaN where no goal has states of different value. A goal whose states all score alike
        counts as 0.
    """
    values = discounted_values(labels, trajectory)
    scores, goals = np.asarray(scores), np.asarray(goals)
    found = []
    for goal in np.unique(goals):
        rows = goals == goal
        if np.ptp(values[rows]) == 0:
            continue
        found.append(
            (
                _correlation(lambda a, b: stats.spearmanr(a, b).statistic, scores[rows], values[rows]),
                _correlation(lambda a, b: stats.kendalltau(a, b).statistic, scores[rows], values[rows]),
            )
        )
    spearman, kendall = np.mean(found, axis=0) if found else (np.nan, np.nan)
    return float(spearman), float(kendall)


def _mean_order(
    scores: np.ndarray, labels: np.ndarray, trajectory: np.ndarray, statistic: Callable[..., float]
) -> float:
    scores, labels = np.asarray(scores), np.asarray(labels, bool)
    found = []
    for begin, end in _spans(trajectory):
        reached = np.flatnonzero(labels[begin:end])
        length = reached[0] + 1 if len(reached) else 0
        if length >= _FEWEST_STATES:
            found.append(_correlation(statistic, scores[begin : begin + length], np.arange(length)))
    return float(np.mean(found)) if found else np.nan


def _correlation(statistic: Callable[..., float], first: np.ndarray, second: np.ndarray) -> float:
    """Return a correlation, 0 where one side never changes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        value = float(statistic(first, second))
    return value if np.isfinite(value) else 0.0


def _spans(trajectory: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the first row of each trajectory and the one after its last."""
    ends = [*(np.flatnonzero(np.diff(trajectory)) + 1).tolist(), len(trajectory)]
    yield from zip([0, *ends[:-1]], ends, strict=True)
