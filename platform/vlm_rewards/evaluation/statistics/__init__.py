"""Statistics over trials and seeds: curves with bands, estimates with intervals, rank correlations."""

from vlm_rewards.extras import needs_extra

with needs_extra("offline"):
    import scipy  # noqa: F401

from vlm_rewards.evaluation.statistics.agreement import Agreement, training_agreement
from vlm_rewards.evaluation.statistics.best_of_n import best_of_n_weights, nats_of_best_of
from vlm_rewards.evaluation.statistics.curves import Curve, SeedBand, band_over_seeds
from vlm_rewards.evaluation.statistics.estimates import Estimate, success_over_seeds, success_over_tasks
from vlm_rewards.evaluation.statistics.interquartile import interquartile_mean, stratified_bootstrap
from vlm_rewards.evaluation.statistics.rank_correlation import (
    GroupedCorrelation,
    RankCorrelation,
    grouped_rank_correlation,
    rank_correlation,
    ranks_within,
)

__all__ = [
    "Agreement",
    "Curve",
    "Estimate",
    "GroupedCorrelation",
    "RankCorrelation",
    "SeedBand",
    "band_over_seeds",
    "best_of_n_weights",
    "grouped_rank_correlation",
    "interquartile_mean",
    "nats_of_best_of",
    "rank_correlation",
    "ranks_within",
    "stratified_bootstrap",
    "success_over_seeds",
    "success_over_tasks",
    "training_agreement",
]
