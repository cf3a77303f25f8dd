"""Everything that is measured of one reward on one set of labelled states."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlm_rewards.evaluation.offline.calibration_error import expected_calibration_error
from vlm_rewards.evaluation.offline.cluster_bootstrap import (
    Interval,
    bootstrap_average_precision,
    bootstrap_precision_recall,
    percentile_interval,
)
from vlm_rewards.evaluation.offline.dard import dard_distance
from vlm_rewards.evaluation.offline.dataset import States
from vlm_rewards.evaluation.offline.epic import epic_distance
from vlm_rewards.evaluation.offline.goal_confusion import GoalTrajectoryConfusion, pooled
from vlm_rewards.evaluation.offline.outcomes import outcomes, paid_shares, preference_accuracy, success_gap
from vlm_rewards.evaluation.offline.precision_recall import (
    PrecisionRecallCurve,
    average_precision,
    negative_predictive_value,
    precision_and_recall,
    precision_recall_curve,
)
from vlm_rewards.evaluation.offline.progress import time_kendall_tau, value_correlation, value_order_correlation
from vlm_rewards.evaluation.offline.roc import RocCurve, roc_curve

# Thresholds tried for the least EPIC distance.
_EPIC_BETAS = 40


@dataclass(frozen=True)
class OfflineMeasures:
    """One row of the offline table.

    Attributes:
        states: Number of states.
        trajectories: Number of trajectories.
        positives: States that have reached their goal.
        curve: Precision and recall over beta.
        roc: The ROC curve and its area.
        average_precision: In [0, 1].
        average_precision_interval: 95 %, over trajectories.
        calibration_error: Expected calibration error, in [0, 1]; NaN where scores are no probabilities.
        beta: Threshold of the reward that what follows is measured of.
        precision: Precision of the reward at `beta`, in [0, 1]; NaN where it never fires.
        precision_interval: 95 %, over trajectories.
        recall: Recall of the reward at `beta`, in [0, 1].
        recall_interval: 95 %, over trajectories.
        epic: EPIC distance of the reward to the ground truth, in [0, 1]; NaN where it never fires.
        epic_best: The least EPIC distance that any beta reaches, in [0, 1].
        dard: DARD distance of the score to the ground truth, in [0, 1]; NaN without embeddings.
        negative_predictive_value: Share of the states unrewarded at `beta` that have not reached their goal, in [0, 1];
            NaN where the reward always fires.
        value_order_correlation: Rank correlation of score and time within successes, in [-1, 1].
        time_kendall_tau: Kendall's tau of the same, in [-1, 1].
        value_spearman: Rank correlation of score and value within goals, in [-1, 1].
        value_kendall: Kendall's tau of the same, in [-1, 1].
        success_gap: Highest score of successes over that of failures, in the units of the score.
        preference_accuracy: How often a success scores higher than a failure at the same goal, in [0, 1].
        paid_rightly: Share of trajectories that the reward at `beta` ends where the goal holds, in [0, 1].
        paid_wrongly: Share that it ends where the goal does not hold, in [0, 1].
        own_goal_first: Share of successes whose own goal scores highest of its family, in [0, 1]; NaN where scores
            under other goals were not given.
        own_goal_gap: Score of the own goal over the others', in the units of the score; NaN as above.
    """

    states: int
    trajectories: int
    positives: int
    curve: PrecisionRecallCurve
    roc: RocCurve
    average_precision: float
    average_precision_interval: Interval
    calibration_error: float
    beta: float
    precision: float
    precision_interval: Interval
    recall: float
    recall_interval: Interval
    epic: float
    epic_best: float
    dard: float
    negative_predictive_value: float
    value_order_correlation: float
    time_kendall_tau: float
    value_spearman: float
    value_kendall: float
    success_gap: float
    preference_accuracy: float
    paid_rightly: float
    paid_wrongly: float
    own_goal_first: float = np.nan
    own_goal_gap: float = np.nan

    def row(self) -> dict[str, float]:
        """Return the numbers of a table row."""
        return {
            "trajectories": self.trajectories,
            "states": self.states,
            "positives": self.positives,
            "average_precision": self.average_precision,
            "average_precision_low": self.average_precision_interval.low,
            "average_precision_high": self.average_precision_interval.high,
            "roc_auc": self.roc.area,
            "calibration_error": self.calibration_error,
            "recall_at_precision_0.9": self.curve.recall_at(0.9),
            "beta": self.beta,
            "precision": self.precision,
            "precision_low": self.precision_interval.low,
            "precision_high": self.precision_interval.high,
            "recall": self.recall,
            "recall_low": self.recall_interval.low,
            "recall_high": self.recall_interval.high,
            "epic_distance": self.epic,
            "epic_distance_best": self.epic_best,
            "dard_distance": self.dard,
            "negative_predictive_value": self.negative_predictive_value,
            "value_order_correlation": self.value_order_correlation,
            "time_kendall_tau": self.time_kendall_tau,
            "value_spearman": self.value_spearman,
            "value_kendall": self.value_kendall,
            "success_gap": self.success_gap,
            "preference_accuracy": self.preference_accuracy,
            "paid_rightly": self.paid_rightly,
            "paid_wrongly": self.paid_wrongly,
            "own_goal_first": self.own_goal_first,
            "own_goal_gap": self.own_goal_gap,
        }


def measure(
    scores: np.ndarray,
    states: States,
    beta: float,
    resamples: int = 1000,
    seed: int = 0,
    dense: bool = False,
    embeddings: np.ndarray | None = None,
    confusions: Sequence[GoalTrajectoryConfusion] = (),
) -> OfflineMeasures:
    """Measure one reward.

    Args:
        scores: float32 (N,), of any head; probabilities where the calibration error is to mean something.
        states: The N states.
        beta: Threshold of the reward.
        resamples: Resamples of the bootstrap over trajectories.
        seed: Seed of the bootstrap.
        dense: Whether the reward is the score itself, not whether it is above `beta`: for the EPIC distance.
        embeddings: float32 (N, D), of the states' frames, by which states are near for the DARD distance; None leaves
            that out.
        confusions: Goals against trajectories of each family that the states are of.

    Raises:
        ConfigError: Scores and states do not fit, or there are no positive or no negative labels.
    """
    scores = np.asarray(scores, np.float32)
    labels, clusters = states.goal_achieved, states.trajectory
    curve = precision_recall_curve(scores, labels)
    rewarded = scores > np.float32(beta)
    precision, recall = precision_and_recall(rewarded, labels)
    precisions, recalls = bootstrap_precision_recall(rewarded, labels, clusters, resamples, seed)
    goals = states.goal_id.astype(str)
    distances = [epic_distance(scores > limit, labels, goals) for limit in curve.thinned(_EPIC_BETAS).betas]
    ended = outcomes(scores, labels, clusters, goals)
    spearman, kendall = value_correlation(scores, labels, clusters, goals)
    ((rightly, wrongly),) = paid_shares(scores, labels, clusters, np.array([beta]))
    own_goal_first, own_goal_gap = pooled(confusions)
    return OfflineMeasures(
        states=len(states),
        trajectories=len(np.unique(clusters)),
        positives=int(labels.sum()),
        curve=curve,
        roc=roc_curve(scores, labels),
        average_precision=average_precision(scores, labels),
        average_precision_interval=percentile_interval(
            bootstrap_average_precision(scores, labels, clusters, resamples, seed)
        ),
        calibration_error=expected_calibration_error(scores, labels).error,
        beta=beta,
        precision=float(precision),
        precision_interval=percentile_interval(precisions),
        recall=float(recall),
        recall_interval=percentile_interval(recalls),
        epic=epic_distance(scores if dense else rewarded, labels, goals),
        epic_best=float(np.nanmin(distances)) if not np.isnan(distances).all() else np.nan,
        dard=np.nan if embeddings is None else dard_distance(scores, labels, embeddings, clusters, goals),
        negative_predictive_value=negative_predictive_value(rewarded, labels),
        value_order_correlation=value_order_correlation(scores, labels, clusters),
        time_kendall_tau=time_kendall_tau(scores, labels, clusters),
        value_spearman=spearman,
        value_kendall=kendall,
        success_gap=success_gap(ended),
        preference_accuracy=preference_accuracy(ended),
        paid_rightly=float(rightly),
        paid_wrongly=float(wrongly),
        own_goal_first=own_goal_first,
        own_goal_gap=own_goal_gap,
    )
