"""The kinds of reward that a training may have; a new one is a class of its own and a name here."""

from typing import Literal

from vlm_rewards.registry import Registry
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.strict_config import StrictConfig


class GroundTruthReward(StrictConfig):
    """The environment's own reward: that of the agent to compare with.

    Attributes:
        kind: `ground_truth`.
    """

    kind: Literal["ground_truth"] = "ground_truth"


REWARDS: Registry[RewardConfig | GroundTruthReward] = Registry(
    "reward", "kind", RewardConfig, GroundTruthReward, default="clip"
)
