"""PPO for a goal-conditioned agent whose only reward comes from a vision-language model."""

import math
from typing import Any, Literal

from pydantic import Field
from ray.rllib.algorithms.ppo import PPOConfig

from rllib_configs.common import ActorCriticHyperparameters, agent_config, eye_targets
from vlm_rewards.rllib.ppo_learner import BootstrapFreePPOLearner


class PPOHyperparameters(ActorCriticHyperparameters):
    """What PPO is tuned by, besides what all are; `train_batch_size` is one iteration.

    Attributes:
        minibatch_size: Samples in one gradient step.
        epochs: Passes over each batch.
        gae_lambda: Lambda of generalised advantage estimation; 1 is the Monte Carlo return.
        clip: Range of the probability ratio, 1 - clip to 1 + clip.
        value_clip: Squared error of a value from which on it teaches nothing. RLlib's default is right for returns
            between 0 and 1; null for larger ones, since a value that is off by more than its root would never move.
    """

    name: Literal["ppo"] = "ppo"
    minibatch_size: int = Field(default=256, ge=1)
    epochs: int = Field(default=4, ge=1)
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    clip: float = Field(default=0.3, gt=0)
    value_clip: float | None = Field(default=10.0, gt=0)

    def make_config(self, **agent: Any) -> PPOConfig:
        """Return a PPO on RLlib's new API stack; see `CommonHyperparameters.make_config`."""
        config = agent_config(PPOConfig(), self, **agent)
        # Where all env runners are lost at once, it samples again when there are others.
        config.reporting(min_sample_timesteps_per_iteration=self.train_batch_size)
        return config.training(
            learner_class=BootstrapFreePPOLearner,
            learner_connector=eye_targets(**agent),
            entropy_coeff=self.entropy,
            vf_loss_coeff=self.value_loss,
            minibatch_size=self.minibatch_size,
            num_epochs=self.epochs,
            lambda_=self.gae_lambda,
            clip_param=self.clip,
            vf_clip_param=math.inf if self.value_clip is None else self.value_clip,
            # The clipped objective bounds a step already; a second, adaptive bound only makes runs harder to compare.
            use_kl_loss=False,
        )
