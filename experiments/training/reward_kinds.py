"""The kinds of reward that a training may have; a new one is a class of its own and a name here."""

from typing import Any, Literal

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


def parse_reward(value: Any) -> Any:
    """Return the reward that a preset means: settings of a kind, or by a text a saved reward, its folder or hub id.

    Raises:
        ConfigError: No settings of a known kind, or no such saved reward.
    """
    return RewardConfig.model_validate(value) if isinstance(value, str) else REWARDS.parse(value)
