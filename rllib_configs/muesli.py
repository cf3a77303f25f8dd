"""Muesli, the algorithm that the paper's agents were trained with (Hessel et al. 2021)."""

from typing import Any, Literal

from pydantic import Field, model_validator

from rllib_configs.replaying import ReplayHyperparameters, replay_config
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.muesli import MuesliConfig
from vlm_rewards.rllib.muesli_module import MuesliModule
from vlm_rewards.rllib.replay_settings import ReplaySettings


class MuesliHyperparameters(ReplayHyperparameters):
    """What Muesli is tuned by, besides what all off-policy algorithms are; weights and clips are its paper's.

    Its stages, each of which can be left out: the regulariser alone (`replay_share: 0`, `model_policy_loss: 0`,
    `unroll: 1`), the model's look ahead (`replay_share: 0`), and the replay.

    Attributes:
        window: Steps of the stretches of episodes that it learns from; an update has `train_batch_size` / window.
        unroll: Actions that the model looks ahead (K).
        replay_share: Share of a batch that is drawn from all episodes kept, not from the newest.
        target_rate: Share by which the prior policy follows at each update. The paper has 0.1, with batches of
            thousands of steps; at a few hundred steps an update the prior must follow more slowly, or what was learned
            is lost.
        retrace_lambda: Lambda of Retrace.
        clip: Largest normalised advantage in the CMPO policy (c).
        regulariser: Weight of KL(CMPO || policy) (lambda).
        model_policy_loss: Weight of the model's policy loss.
        value_loss: Weight of the losses of the values.
        reward_loss: Weight of the loss of the model's reward.
        atoms: Atoms of the distributions of values and rewards.
        value_range: Smallest and largest value or reward that there can be: the ends of the atoms. The default is right
            for rewards of 1 that end the episode.
    """

    name: Literal["muesli"] = "muesli"
    value_range: tuple[float, float] | None = (0.0, 1.0)
    window: int = Field(default=10, ge=1)
    unroll: int = Field(default=5, ge=1)
    replay_share: float = Field(default=0.75, ge=0, le=1)
    target_rate: float = Field(default=0.02, gt=0, le=1)
    retrace_lambda: float = Field(default=0.95, ge=0, le=1)
    clip: float = Field(default=1.0, gt=0)
    regulariser: float = Field(default=1.0, ge=0)
    model_policy_loss: float = Field(default=1.0, ge=0)
    value_loss: float = Field(default=0.25, ge=0)
    reward_loss: float = Field(default=1.0, ge=0)
    atoms: int = Field(default=51, ge=2)

    @model_validator(mode="after")
    def _windows_fit(self) -> "MuesliHyperparameters":
        if self.value_range is None or self.value_range[0] >= self.value_range[1]:
            raise ConfigError(
                f"muesli spreads atoms over algorithm.value_range, and {self.value_range} is no range; give the "
                "smallest and the largest value that there can be"
            )
        if self.window > self.train_batch_size:
            raise ConfigError(
                f"a window of {self.window} steps is longer than train_batch_size {self.train_batch_size}; raise it"
            )
        return self

    @property
    def replay_settings(self) -> ReplaySettings:
        """Of the replay."""
        return ReplaySettings(self.replay_capacity, 1, self.gamma, self.hindsight, keeps_log_probs=True)

    def make_config(self, **agent: Any) -> MuesliConfig:
        """Return a Muesli on RLlib's new API stack; see `CommonHyperparameters.make_config`."""
        config = replay_config(
            MuesliConfig(),
            self,
            module_class=MuesliModule,
            module_settings={
                "gamma": self.gamma,
                "unroll": self.unroll,
                "atoms": self.atoms,
                "value_range": self.value_range,
            },
            **agent,
        )
        return config.training(
            window=self.window,
            newest_share=1 - self.replay_share,
            target_rate=self.target_rate,
            retrace_lambda=self.retrace_lambda,
            clip=self.clip,
            regulariser=self.regulariser,
            model_policy_loss=self.model_policy_loss,
            value_loss=self.value_loss,
            reward_loss=self.reward_loss,
        )
