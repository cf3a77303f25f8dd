"""APPO for a goal-conditioned agent whose only reward comes from a vision-language model."""

from typing import Any, Literal, cast

from pydantic import Field
from ray.rllib.algorithms.appo import APPOConfig

from rllib_configs.asynchronous import AsyncHyperparameters, async_config
from vlm_rewards.rllib.async_algorithm import WatchedAPPO
from vlm_rewards.rllib.vtrace_learner import VTraceAPPOLearner


class APPOHyperparameters(AsyncHyperparameters):
    """What APPO is tuned by, besides what the asynchronous algorithms share.

    Attributes:
        clip: Range of the probability ratio, 1 - clip to 1 + clip.
        buffer_batches: Batches that the learner draws from (N of the IMPACT paper); the oldest makes room.
        buffer_passes: How often each may be drawn (K of the paper).
        target_update_frequency: The target network, which V-trace and the clip are relative to, follows the policy
            every so many times `buffer_batches * buffer_passes` updates (alpha of the paper: 0.125 to 4).
    """

    name: Literal["appo"] = "appo"
    clip: float = Field(default=0.3, gt=0)
    buffer_batches: int = Field(default=4, ge=1)
    buffer_passes: int = Field(default=2, ge=1)
    target_update_frequency: float = Field(default=0.5, gt=0)

    def make_config(self, **agent: Any) -> APPOConfig:
        """Return an APPO (IMPACT, Luo et al. 2020); see `CommonHyperparameters.make_config`."""
        return async_config(APPOConfig(algo_class=WatchedAPPO), self, **agent).training(
            learner_class=VTraceAPPOLearner,
            clip_param=self.clip,
            circular_buffer_num_batches=self.buffer_batches,
            circular_buffer_iterations_per_batch=self.buffer_passes,
            target_network_update_freq=cast(Any, self.target_update_frequency),  # any number
            # As in PPO: the clipped objective bounds a step already.
            use_kl_loss=False,
        )
