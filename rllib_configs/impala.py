"""IMPALA for a goal-conditioned agent whose only reward comes from a vision-language model."""

from typing import Any, Literal

from ray.rllib.algorithms.impala import IMPALAConfig

from rllib_configs.asynchronous import AsyncHyperparameters, async_config
from vlm_rewards.rllib.async_algorithm import WatchedIMPALA
from vlm_rewards.rllib.vtrace_learner import VTraceIMPALALearner


class IMPALAHyperparameters(AsyncHyperparameters):
    """What IMPALA is tuned by: nothing beyond what the asynchronous algorithms share."""

    name: Literal["impala"] = "impala"

    def make_config(self, **agent: Any) -> IMPALAConfig:
        """Return an IMPALA (Espeholt et al. 2018); see `CommonHyperparameters.make_config`."""
        config = async_config(IMPALAConfig(algo_class=WatchedIMPALA), self, **agent)
        return config.training(learner_class=VTraceIMPALALearner)
