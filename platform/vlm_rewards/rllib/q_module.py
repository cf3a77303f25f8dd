"""The agent as a Q-network: the same networks as the actor-critic's, with dueling heads."""

from typing import Any, cast

import torch
from ray.rllib.algorithms.dqn.dqn_learner import QF_NEXT_PREDS, QF_PREDS, QF_TARGET_NEXT_PREDS
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import QNetAPI
from torch import Tensor

from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.eye import EYE_PREDICTIONS
from vlm_rewards.rllib.rl_module import GoalConditionedModule


class GoalConditionedQModule(GoalConditionedModule, QNetAPI):
    """Action values Q(s, g, a) = V(s, g) + A(s, g, a) - mean over actions of A (Wang et al. 2016).

    The policy head gives A, the value head V. What acts is epsilon-greedy in Q, handed on as log-probabilities, so
    that whoever samples from a policy's logits explores, and whoever takes the largest is greedy.
    `model_config` also holds `final_epsilon` and `exploration_steps`.
    """

    def setup(self) -> None:
        """Build the networks; RLlib calls it once.

        Raises:
            ConfigError: Spaces or sizes that the module cannot work with, or recurrence.
        """
        super().setup()
        if self._config.recurrent:
            raise ConfigError("the replay holds steps, not sequences; set agent.recurrent false, or train with ppo")
        settings = cast(dict[str, Any], self.model_config)
        self._final_epsilon = float(settings.get("final_epsilon", 0.1))
        self._exploration_steps = int(settings.get("exploration_steps", 0))

    def epsilon(self, env_steps: int) -> float:
        """Return the probability of a random action, which falls linearly from 1 to the final one."""
        if env_steps >= self._exploration_steps:
            return self._final_epsilon
        return 1 + (self._final_epsilon - 1) * env_steps / self._exploration_steps

    def compute_q_values(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return `QF_PREDS`, float32 (B, actions)."""
        features, taps, _ = self._learned(batch)
        return {QF_PREDS: self._q_values(features, taps)}

    def forward_target(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return `QF_PREDS` of `target`, float32 (B, actions), without gradients."""
        assert self.target is not None, "make_target_networks first"
        with torch.no_grad():
            return cast(GoalConditionedQModule, self.target).compute_q_values(batch)

    def _forward_inference(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return self._acting(batch, self._final_epsilon)

    def _forward_exploration(self, batch: dict[str, Any], t: int = 0, **kwargs: Any) -> dict[str, Any]:
        return self._acting(batch, self.epsilon(t))

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        features, taps, _ = self._learned(batch)
        output = {QF_PREDS: self._q_values(features, taps), Columns.EMBEDDINGS: features}
        if self.eye_head is not None:
            output[EYE_PREDICTIONS] = self.eye_head(features)
        arrived = {Columns.OBS: batch[Columns.NEXT_OBS]}
        with torch.no_grad():
            output[QF_NEXT_PREDS] = self.compute_q_values(arrived)[QF_PREDS]
        output[QF_TARGET_NEXT_PREDS] = self.forward_target(arrived)[QF_PREDS]
        return output

    def _acting(self, batch: dict[str, Any], epsilon: float) -> dict[str, Any]:
        with torch.no_grad():
            features, taps, _ = self._features(batch)
            values = self._q_values(features, taps)
            count = values.shape[-1]
            probabilities = torch.full_like(values, epsilon / count)
            probabilities.scatter_(-1, values.argmax(dim=-1, keepdim=True), 1 - epsilon + epsilon / count)
            # A probability of 0 stays one whose logarithm is a number.
            return {Columns.ACTION_DIST_INPUTS: probabilities.clamp(min=1e-30).log()}

    def _q_values(self, features: Tensor, taps: Tensor | None) -> Tensor:
        advantages = self._logits(features, taps)
        values: Tensor = self.value_head(features)
        return values + advantages - advantages.mean(dim=-1, keepdim=True)
