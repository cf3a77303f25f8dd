"""What a reward makes of whole episodes: does it tell successes from failures, and which does it end rightly?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats


@dataclass(frozen=True)
class Outcomes:
    """One entry a trajectory.

    Attributes:
        best: float64 (T,), highest score of a state: what an agent that looks for reward finds.
        succeeded: bool (T,), whether a state has reached the goal.
        goal: (T,) of the dtype that was given, the goal.
    """

    best: npt.NDArray[np.float64]
    succeeded: npt.NDArray[np.bool_]
    goal: np.ndarray


def outcomes(scores: np.ndarray, labels: np.ndarray, trajectory: np.ndarray, goals: np.ndarray) -> Outcomes:
    """Return the outcome of each trajectory.

    Args:
        scores: float (N,).
        labels: bool (N,), whether the state has reached its goal.
        trajectory: int (N,), the trajectory of each state.
        goals: (N,) of any dtype, the goal of each state, one a trajectory.
    """
    _, first, index = np.unique(np.asarray(trajectory), return_index=True, return_inverse=True)
    best = np.full(len(first), -np.inf)
    np.maximum.at(best, index, np.asarray(scores, np.float64))
    succeeded = np.bincount(index, np.asarray(labels, bool)) > 0
    return Outcomes(best, succeeded, np.asarray(goals)[first])


def success_gap(found: Outcomes) -> float:
    """Return the mean highest score of trajectories that reach their goal minus that of the others.

    After the comparison of rewards for successful and failed rollouts by Zhang et al. 2025 (ReWiND). It is in the
    units of the score, so in [-1, 1] for p(goal): 0 where the reward cannot tell the two apart.

    Returns:
        In the units of the score; NaN where all or none of the trajectories reach their goal.
    """
    if found.succeeded.all() or not found.succeeded.any():
        return np.nan
    return float(found.best[found.succeeded].mean() - found.best[~found.succeeded].mean())


def paid_shares(
    scores: np.ndarray, labels: np.ndarray, trajectory: np.ndarray, betas: np.ndarray
) -> npt.NDArray[np.float64]:
    """Return which share of trajectories a threshold ends rightly, and which wrongly.

    A reward ends an episode at the first state whose score is above beta; that is right where the goal holds there. A
    low threshold pays too early, a high one never: the first share has its highest value in between, and is what an
    agent learns from, the share of episodes that are paid times the precision of what is paid.

    Args:
        scores: float (N,), the states of a trajectory in order.
        labels: bool (N,), whether the state has reached its goal.
        trajectory: int (N,), the trajectory of each state.
        betas: float (B,), thresholds.

    Returns:
        float64 (B, 2), in [0, 1].
    """
    # As rewards compare them: scores of float32 with beta as float32.
    scores, betas = np.asarray(scores, np.float32), np.asarray(betas, np.float32)
    right = np.asarray(labels, bool)
    order = np.argsort(np.asarray(trajectory), kind="stable")
    starts = np.flatnonzero(np.diff(np.asarray(trajectory)[order], prepend=-1))
    paid = np.zeros((len(betas), 2))
    for rows in np.split(order, starts[1:]):
        highest = np.maximum.accumulate(scores[rows])
        first = np.searchsorted(highest, betas, side="right")  # of the first state above each
        ends = first < len(rows)
        found = right[rows[np.minimum(first, len(rows) - 1)]]
        paid[:, 0] += ends & found
        paid[:, 1] += ends & ~found
    return paid / len(starts)


def preference_accuracy(found: Outcomes) -> float:
    """Return how often a success is preferred to a failure at the same goal, equal scores counted half.

    Of all pairs of trajectories of one goal, of which one reaches it and the other does not, the share in which the one
    that reaches it has the higher score: the accuracy on pairwise comparisons that preference models are judged by
    (Christiano et al. 2017; Lambert et al. 2024, RewardBench), with the ground truth as the one who prefers.

    Returns:
        A number in [0, 1], 0.5 without any skill; NaN where there is no such pair.
    """
    right, pairs = 0.0, 0
    for goal in np.unique(found.goal):
        of_goal = found.goal == goal
        successes, failures = found.best[of_goal & found.succeeded], found.best[of_goal & ~found.succeeded]
        if len(successes) and len(failures):
            # Mann and Whitney's U counts just these pairs.
            right += float(stats.mannwhitneyu(successes, failures, method="asymptotic").statistic)
            pairs += len(successes) * len(failures)
    return right / pairs if pairs else np.nan
