"""The algorithms that presets may name; a new one is a class of its own and a line here."""

from rllib_configs.appo import APPOHyperparameters
from rllib_configs.common import CommonHyperparameters
from rllib_configs.dqn import DQNHyperparameters
from rllib_configs.impala import IMPALAHyperparameters
from rllib_configs.muesli import MuesliHyperparameters
from rllib_configs.ppo import PPOHyperparameters
from vlm_rewards.registry import Registry

ALGORITHMS: Registry[CommonHyperparameters] = Registry(
    "algorithm",
    "name",
    PPOHyperparameters,
    APPOHyperparameters,
    IMPALAHyperparameters,
    DQNHyperparameters,
    MuesliHyperparameters,
    default="ppo",
)
