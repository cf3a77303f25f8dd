"""What a study of several training runs shows: curves with bands over seeds, rank correlations, reward hacking."""

from vlm_rewards.evaluation.studies.agreement import Agreement, training_agreement
from vlm_rewards.evaluation.studies.curves import Curve, SeedBand, band_over_seeds
from vlm_rewards.evaluation.studies.estimates import Estimate, success_over_seeds
from vlm_rewards.evaluation.studies.rank_correlation import RankCorrelation, rank_correlation
from vlm_rewards.evaluation.studies.reward_hacking import RewardHackingAlarm

__all__ = [
    "Agreement",
    "Curve",
    "Estimate",
    "RankCorrelation",
    "RewardHackingAlarm",
    "SeedBand",
    "band_over_seeds",
    "rank_correlation",
    "success_over_seeds",
    "training_agreement",
]
