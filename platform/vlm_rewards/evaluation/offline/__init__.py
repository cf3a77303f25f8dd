"""Judging a reward model on recorded, labelled trajectories, before any agent is trained on it."""

from vlm_rewards.extras import needs_extra

with needs_extra("offline"):
    from vlm_rewards.evaluation.offline.dataset import LabelledDataset
    from vlm_rewards.evaluation.offline.measures import OfflineMeasures, measure
    from vlm_rewards.evaluation.offline.precision_recall import PrecisionRecallCurve, precision_recall_curve
    from vlm_rewards.evaluation.offline.splits import SplitSpec, TrajectorySplit, split_trajectories

__all__ = [
    "LabelledDataset",
    "OfflineMeasures",
    "PrecisionRecallCurve",
    "SplitSpec",
    "TrajectorySplit",
    "measure",
    "precision_recall_curve",
    "split_trajectories",
]
