"""Muesli (Hessel et al. 2021), the paper's own algorithm, on RLlib's new API stack over a `SequenceReplay`."""

from typing import Any, cast

from gymnasium.spaces import Dict
from ray.rllib.core.rl_module import RLModuleSpec

from vlm_rewards.environment.action_memory import remembered_actions
from vlm_rewards.rllib.muesli_learner import MuesliLearner
from vlm_rewards.rllib.muesli_module import MuesliModule
from vlm_rewards.rllib.replay_algorithm import ReplayAlgorithm, ReplayConfig
from vlm_rewards.rllib.sequence_replay import SequenceReplay


class MuesliConfig(ReplayConfig):
    """RLlib's common configuration with what `Muesli` adds.

    Attributes:
        window: Steps of the windows that it learns from.
        newest_share: Share of the windows drawn from the newest episodes; the others are drawn from all.
        target_rate: Share by which the prior policy follows at each update.
        adam_epsilon: Adam's epsilon.
        retrace_lambda: Lambda of Retrace.
        clip: Largest normalised advantage in the CMPO policy, c.
        regulariser: Weight of KL(CMPO || policy), lambda.
        model_policy_loss: Weight of the model's policy loss.
        value_loss: Weight of the losses of the values.
        reward_loss: Weight of the loss of the model's reward.
    """

    own_settings = ReplayConfig.own_settings | {
        "window",
        "newest_share",
        "target_rate",
        "adam_epsilon",
        "retrace_lambda",
        "clip",
        "regulariser",
        "model_policy_loss",
        "value_loss",
        "reward_loss",
    }

    def __init__(self, algo_class: type | None = None) -> None:
        """Begin with the paper's settings."""
        super().__init__(algo_class=algo_class or Muesli)
        self.window = 10
        self.newest_share = 0.25
        self.target_rate = 0.1
        self.adam_epsilon = 1e-8
        self.retrace_lambda = 0.95
        self.clip = 1.0
        self.regulariser = 1.0
        self.model_policy_loss = 1.0
        self.value_loss = 0.25
        self.reward_loss = 1.0

    def get_default_learner_class(self) -> type[MuesliLearner]:
        """Return Muesli's learner."""
        return MuesliLearner

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """Return the networks, which need their settings: make them by `rllib_configs.muesli`."""
        return RLModuleSpec(module_class=MuesliModule)


class Muesli(ReplayAlgorithm):
    """Policy gradient with a clipped-MPO regulariser and a model's look ahead; see `ReplayAlgorithm`."""

    @classmethod
    def get_default_config(cls) -> MuesliConfig:
        """Return the paper's settings."""
        return MuesliConfig()

    def _make_replay(self, space: Dict) -> SequenceReplay:
        settings = cast(MuesliConfig, self._settings)
        image: Any = space["image"]
        return SequenceReplay(
            settings.replay,
            image.shape,
            settings.goals,
            settings.seed or 0,
            remembered_actions(space),
            window=settings.window,
            newest_share=settings.newest_share,
        )
