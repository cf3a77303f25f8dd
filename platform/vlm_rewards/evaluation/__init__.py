"""Measuring agents by ground truth, and showing what they do: episodes, figures, videos."""

from vlm_rewards.evaluation.episodes import EpisodeResult, Policy, RandomPolicy, run_episodes
from vlm_rewards.evaluation.summary import EvaluationSummary, summarise

__all__ = ["EpisodeResult", "EvaluationSummary", "Policy", "RandomPolicy", "run_episodes", "summarise"]
