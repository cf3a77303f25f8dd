"""Receiver operating characteristic: how well scores rank states, whatever the share of positives."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from vlm_rewards.evaluation.offline.precision_recall import check_labelled


@dataclass(frozen=True)
class RocCurve:
    """The curve and the area under it.

    Attributes:
        false_positive_rate: float64 (P,), rising from 0 to 1.
        true_positive_rate: float64 (P,), rising from 0 to 1.
        area: In [0, 1]: the chance that a state that has reached its goal scores higher than one that has not, ties
            counted half. 0.5 without any skill.
    """

    false_positive_rate: npt.NDArray[np.float64]
    true_positive_rate: npt.NDArray[np.float64]
    area: float


def roc_curve(scores: np.ndarray, labels: np.ndarray) -> RocCurve:
    """Return the curve of these scores.

    Args:
        scores: float32 (N,), of any head.
        labels: bool (N,).

    Raises:
        ConfigError: The two do not fit, or there are no positive or no negative labels.
    """
    scores, labels = check_labelled(scores, labels)
    false_positive_rate, true_positive_rate, _ = metrics.roc_curve(labels, scores)
    return RocCurve(
        false_positive_rate, true_positive_rate, float(metrics.auc(false_positive_rate, true_positive_rate))
    )
