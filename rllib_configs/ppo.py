"""PPO for a goal-conditioned agent whose only reward comes from a vision-language model."""

from typing import Any

from pydantic import Field
from ray.rllib.algorithms.ppo import PPOConfig

from rllib_configs.common import CommonHyperparameters, agent_config
from vlm_rewards.rollout.ppo_learner import BootstrapFreePPOLearner


class PPOHyperparameters(CommonHyperparameters):
    """What PPO is tuned by, besides what all are; `train_batch_size` is one iteration.

    Attributes:
        minibatch_size: samples in one gradient step.
        epochs: passes over each batch.
        gae_lambda: of generalised advantage estimation; 1 is the Monte Carlo return.
        clip: range of the probability ratio, 1 - clip to 1 + clip.
    """

    minibatch_size: int = Field(default=256, ge=1)
    epochs: int = Field(default=4, ge=1)
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    clip: float = Field(default=0.3, gt=0)


def ppo_config(*, hyperparameters: PPOHyperparameters | None = None, **agent: Any) -> PPOConfig:
    """Returns a PPO on RLlib's new API stack, ready to `build_algo()`.

    Args:
        hyperparameters: of the algorithm.
        agent: env, reward, networks and sampling: the keyword arguments of `rllib_configs.common.agent_config`.

    Returns:
        The configuration, not frozen: change what you like.
    """
    hyper = hyperparameters or PPOHyperparameters()
    return agent_config(PPOConfig(), hyper, **agent).training(
        learner_class=BootstrapFreePPOLearner,
        minibatch_size=hyper.minibatch_size,
        num_epochs=hyper.epochs,
        lambda_=hyper.gae_lambda,
        clip_param=hyper.clip,
        # The clipped objective bounds a step already; a second, adaptive bound only makes runs harder to compare.
        use_kl_loss=False,
    )
