"""Statistics over trials and seeds: curves with bands, estimates with intervals, rank correlations."""

from vlm_rewards.extras import needs_extra

with needs_extra("offline"):
    import scipy  # noqa: F401

from vlm_rewards.evaluation.statistics.agreement import Agreement, training_agreement
from vlm_rewards.evaluation.statistics.curves import Curve, SeedBand, band_over_seeds
from vlm_rewards.evaluation.statistics.estimates import Estimate, success_over_seeds
from vlm_rewards.evaluation.statistics.rank_correlation import RankCorrelation, rank_correlation

__all__ = [
    "Agreement",
    "Curve",
    "Estimate",
    "RankCorrelation",
    "SeedBand",
    "band_over_seeds",
    "rank_correlation",
    "success_over_seeds",
    "training_agreement",
]
