"""Reward forms: pure functions over embeddings."""

from vlm_rewards.heads.softmax_binary import check_temperature, check_threshold, softmax_binary, threshold

__all__ = ["check_temperature", "check_threshold", "softmax_binary", "threshold"]
