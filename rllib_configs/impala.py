"""IMPALA for a goal-conditioned agent whose only reward comes from a vision-language model."""

from typing import Any

from ray.rllib.algorithms.impala import IMPALAConfig

from rllib_configs.asynchronous import AsyncHyperparameters, async_config
from vlm_rewards.rollout.async_algorithm import WatchedIMPALA
from vlm_rewards.rollout.vtrace_learner import VTraceIMPALALearner


class IMPALAHyperparameters(AsyncHyperparameters):
    """What IMPALA is tuned by: nothing beyond what the asynchronous algorithms share."""


def impala_config(*, hyperparameters: IMPALAHyperparameters | None = None, **agent: Any) -> IMPALAConfig:
    """Returns an IMPALA (Espeholt et al. 2018) on RLlib's new API stack, ready to `build_algo()`.

    Args:
        hyperparameters: of the algorithm.
        agent: env, reward, networks and sampling: the keyword arguments of `rllib_configs.common.agent_config`.

    Returns:
        The configuration, not frozen: change what you like.

    Raises:
        ConfigError: no env runner, or one whose sample is larger than a batch.
    """
    hyper = hyperparameters or IMPALAHyperparameters()
    config = async_config(IMPALAConfig(algo_class=WatchedIMPALA), hyper, **agent)
    return config.training(learner_class=VTraceIMPALALearner)
