"""Reward forms: pure functions over embeddings, and the table of those that presets may name."""

from vlm_rewards.heads.agreement import Agreement, agreed, agreed_now
from vlm_rewards.heads.cascade import Cascade
from vlm_rewards.heads.cosine import cosine
from vlm_rewards.heads.forms import HEADS, Head, SoftmaxBinary
from vlm_rewards.heads.goal_baseline import goal_baseline
from vlm_rewards.heads.head import RewardHead, rewards_alone, rewards_of
from vlm_rewards.heads.pooling import FramePooling, pool
from vlm_rewards.heads.softmax_binary import check_temperature, check_threshold, softmax_binary, threshold

__all__ = [
    "HEADS",
    "Agreement",
    "Cascade",
    "FramePooling",
    "Head",
    "RewardHead",
    "SoftmaxBinary",
    "agreed",
    "agreed_now",
    "check_temperature",
    "check_threshold",
    "cosine",
    "goal_baseline",
    "pool",
    "rewards_alone",
    "rewards_of",
    "softmax_binary",
    "threshold",
]
