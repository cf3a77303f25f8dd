"""Precision and recall of the reward of equation 2 over its threshold beta (the paper's figure 4, left)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from vlm_rewards.errors import ConfigError


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """One point for each distinct score, by rising beta.

    Attributes:
        betas: float32 (P,), thresholds; a state is rewarded where its score is above beta, as equation 2 has it. Each
            is the largest float32 below one of the scores.
        precision: float64 (P,), share of the rewarded states that have reached their goal, in [0, 1].
        recall: float64 (P,), share of the states that have reached their goal that are rewarded, in [0, 1].
    """

    betas: npt.NDArray[np.float32]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]

    def recall_at(self, precision: float) -> float:
        """Return the largest recall with at least this precision, in [0, 1]; 0 where no threshold reaches it."""
        good = self.precision >= precision
        return float(self.recall[good].max()) if good.any() else 0.0

    def thinned(self, points: int) -> "PrecisionRecallCurve":
        """Return at most `points` of its points, evenly spread over recall, the ends included."""
        if len(self.betas) <= points:
            return self
        wanted = np.linspace(self.recall[-1], self.recall[0], points)
        # Of the points with one recall the last, whose precision is the highest.
        rows = np.searchsorted(-self.recall, -wanted, side="right") - 1
        rows = np.unique([0, *np.clip(rows, 0, len(self.recall) - 1), len(self.recall) - 1])
        return PrecisionRecallCurve(self.betas[rows], self.precision[rows], self.recall[rows])


def check_labelled(scores: np.ndarray, labels: np.ndarray) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return scores and labels as float32 (N,) and bool (N,).

    Raises:
        ConfigError: Different lengths, scores that are not finite, no positive label, or nothing but positive ones.
    """
    scores, labels = np.asarray(scores, np.float32), np.asarray(labels, bool)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ConfigError(f"scores {scores.shape} and labels {labels.shape} must be of one length: one of each a state")
    if not np.isfinite(scores).all():
        raise ConfigError(f"{int((~np.isfinite(scores)).sum())} scores are not finite; score the dataset again")
    if not labels.any():
        raise ConfigError("no state has reached its goal, so precision and recall mean nothing; use more trajectories")
    if labels.all():
        raise ConfigError("every state has reached its goal, so there is nothing to tell apart; use more trajectories")
    return scores, labels


def precision_recall_curve(scores: np.ndarray, labels: np.ndarray) -> PrecisionRecallCurve:
    """Return the precision and recall of `score > beta` for every beta that makes a difference.

    Args:
        scores: float32 (N,), of any head; larger means more likely achieved.
        labels: bool (N,), whether the state has reached its goal.

    Raises:
        ConfigError: The two do not fit, or there are no positive or no negative labels.
    """
    scores, labels = check_labelled(scores, labels)
    precision, recall, thresholds = metrics.precision_recall_curve(labels, scores)
    # scikit-learn takes scores at the threshold as positive, equation 2 only those above beta. It also adds the point
    # at recall 0, which belongs to no threshold.
    betas = np.nextafter(thresholds.astype(np.float32), np.float32(-np.inf))
    return PrecisionRecallCurve(betas, precision[:-1], recall[:-1])


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the precision-recall curve, in [0, 1]: the sum of precision times gain in recall.

    A model without any skill has the share of positive labels.

    Args:
        scores: float32 (N,).
        labels: bool (N,).

    Raises:
        ConfigError: As for `precision_recall_curve`.
    """
    scores, labels = check_labelled(scores, labels)
    return float(metrics.average_precision_score(labels, scores))


def precision_and_recall(rewards: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the precision and recall of given rewards.

    Args:
        rewards: float or bool (N,), positive where the state is rewarded.
        labels: bool (N,).

    Returns:
        Both in [0, 1]. Precision is NaN where nothing is rewarded, recall where no label is positive.
    """
    fired, labels = np.asarray(rewards) > 0, np.asarray(labels, bool)
    hits = float((fired & labels).sum())
    return hits / fired.sum() if fired.any() else np.nan, hits / labels.sum() if labels.any() else np.nan


def negative_predictive_value(rewards: np.ndarray, labels: np.ndarray) -> float:
    """Return how often a state without a reward has not reached its goal (Altman and Bland 1994).

    Where it is low, an agent that succeeds is left unpaid; where few states reach their goal it is high for any reward,
    and tells less than recall.

    Args:
        rewards: float or bool (N,), positive where the state is rewarded.
        labels: bool (N,).

    Returns:
        A number in [0, 1]; NaN where every state is rewarded.
    """
    unpaid, labels = ~(np.asarray(rewards) > 0), np.asarray(labels, bool)
    return float((unpaid & ~labels).sum() / unpaid.sum()) if unpaid.any() else np.nan
