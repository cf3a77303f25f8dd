"""Goals against trajectories: is what reaches one goal paid for another?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class GoalTrajectoryConfusion:
    """Scores of successful trajectories under every goal (as videos under instructions, Zhang et al. 2025, ReWiND).

    Attributes:
        goals: Goal ids, rows and columns of the matrix.
        scores: float64 (G, G), mean score of the trajectories that reached the goal of the row under the goal of the
            column; NaN in rows without a trajectory.
        trajectories: int64 (G,), trajectories that reached each goal.
        own_first: Share of the trajectories whose own goal scores highest, a tie of n goals counted 1/n, in [0, 1]; NaN
            without a trajectory. 1/G without any skill.
        gap: Mean of the own goal's score minus the mean of the others', in the units of the score; NaN without a
            trajectory or another goal.
    """

    goals: tuple[str, ...]
    scores: npt.NDArray[np.float64]
    trajectories: npt.NDArray[np.int64]
    own_first: float
    gap: float


def goal_trajectory_confusion(scores: np.ndarray, own: np.ndarray, goals: Sequence[str]) -> GoalTrajectoryConfusion:
    """Return the confusion of trajectories that reached their own goal.

    Other goals may hold in the same state, and are then paid rightly: the matrix shows what is paid, not what is wrong.

    Args:
        scores: float (T, G), score of each trajectory under each goal, in the state that reached its own.
        own: int (T,), column of its own goal.
        goals: The G goal ids.
    """
    scores, own = np.asarray(scores, np.float64).reshape(-1, len(goals)), np.asarray(own, np.int64)
    counts = np.bincount(own, minlength=len(goals))
    sums = np.zeros((len(goals), len(goals)))
    np.add.at(sums, own, scores)
    with np.errstate(invalid="ignore"):
        means = sums / counts[:, None]
    if not len(own):
        return GoalTrajectoryConfusion(tuple(goals), means, counts, np.nan, np.nan)
    of_own = scores[np.arange(len(own)), own]
    highest = scores == scores.max(axis=1, keepdims=True)
    first = highest[np.arange(len(own)), own] / highest.sum(axis=1)
    others = (scores.sum(axis=1) - of_own) / (len(goals) - 1) if len(goals) > 1 else np.full(len(own), np.nan)
    return GoalTrajectoryConfusion(tuple(goals), means, counts, float(first.mean()), float((of_own - others).mean()))


def pooled(confusions: Sequence[GoalTrajectoryConfusion]) -> tuple[float, float]:
    """Return `own_first` and `gap` over the trajectories of several families, each among its own goals."""
    weights = np.array([confusion.trajectories.sum() for confusion in confusions], np.float64)
    values = np.array([(confusion.own_first, confusion.gap) for confusion in confusions]).reshape(-1, 2)
    used = weights > 0
    if not used.any():
        return np.nan, np.nan
    own_first, gap = np.average(values[used], axis=0, weights=weights[used])
    return float(own_first), float(gap)
