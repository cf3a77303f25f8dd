"""Muesli's losses (Hessel et al. 2021)."""

from typing import Any, cast

import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.utils import update_target_network
from torch import Tensor
from torch.nn import functional

from vlm_rewards.rllib import muesli_module as outputs
from vlm_rewards.rllib.adam_learner import AdamLearner
from vlm_rewards.rllib.compiled_learner import CompiledLearner
from vlm_rewards.rllib.eye_learner import EyeLearner
from vlm_rewards.rllib.muesli_module import MuesliModule
from vlm_rewards.rllib.muesli_targets import arrived_values, clipped_policy, divergence, retrace
from vlm_rewards.rllib.sequence_replay import ENDS, TAKEN


class MuesliLossLearner(CompiledLearner, AdamLearner):
    """The policy gradient, its regulariser, and what value and model learn; the target network follows each update."""

    def build(self) -> None:
        """Build the learner, and the target networks with it."""
        super().build()
        for module_id in list(self.module.keys()):
            self._muesli(module_id).make_target_networks()

    def after_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Let the target network follow."""
        super().after_gradient_based_update(timesteps=timesteps)
        for module_id in list(self.module.keys()):
            rate = cast(Any, self.config.get_config_for_module(module_id)).target_rate
            for leading, following in self._muesli(module_id).get_target_network_pairs():
                update_target_network(main_net=leading, target_net=following, tau=rate)

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> Tensor:
        """Return the sum of Muesli's losses, a float32 scalar.

        - Policy gradient: -(pi(a|s) / b(a|s)) (G - v(s)) / scale, b the policy that acted (equation 5).
        - Regulariser: KL(CMPO || pi) at every state (equation 8), exact over the actions.
        - Model policy: KL(CMPO of the state k actions later || the model's policy after k actions) (equation 13).
        - Value and reward: cross-entropies to G and to the reward, at the state and k actions later.
        """
        module = self._muesli(module_id)
        taken, ends = batch[TAKEN].bool(), batch[ENDS].bool()
        actions = batch[Columns.ACTIONS].long().unsqueeze(-1)
        log_policy = functional.log_softmax(fwd_out[Columns.ACTION_DIST_INPUTS], dim=-1)

        prior_logits, values = fwd_out[outputs.PRIOR_LOGITS], fwd_out[outputs.PRIOR_VALUES]
        action_values = fwd_out[outputs.PRIOR_ACTION_VALUES]
        log_prior = functional.log_softmax(prior_logits[:, :-1], dim=-1).gather(-1, actions).squeeze(-1)
        returns = retrace(
            batch[Columns.REWARDS],
            values,
            action_values[:, :-1].gather(-1, actions).squeeze(-1),
            log_prior - batch[Columns.ACTION_LOGP],
            ends,
            taken,
            config.gamma,
            config.retrace_lambda,
        )
        errors = returns - values[:, :-1]
        scale = module.advantage_scale(errors[taken])
        target = clipped_policy(prior_logits, (action_values - values.unsqueeze(-1)) / scale, config.clip)

        ratios = (log_policy[:, :-1].gather(-1, actions).squeeze(-1) - batch[Columns.ACTION_LOGP]).exp()
        gradient = -_mean(ratios * errors / scale, taken)
        regulariser = _mean(divergence(target, log_policy)[:, :-1], taken)
        value = _mean(module.atoms.cross_entropy(fwd_out[outputs.VALUE_LOGITS][:, :-1], returns), taken)
        model_policy, model_value, model_reward = self._model_losses(
            module, batch, fwd_out, target, arrived_values(values, returns, ends, taken)
        )
        loss = (
            gradient
            + config.regulariser * regulariser
            + config.model_policy_loss * model_policy
            + config.value_loss * (value + model_value)
            + config.reward_loss * model_reward
        )
        entropy = -(log_policy.exp() * log_policy).sum(dim=-1)[:, :-1]
        logged = {
            "policy_gradient_loss": gradient,
            "regulariser_loss": regulariser,
            "value_loss": value,
            "model_policy_loss": model_policy,
            "model_value_loss": model_value,
            "model_reward_loss": model_reward,
            "entropy": _mean(entropy, taken),
            "advantage_scale": scale,
        }
        self.metrics.log_dict({name: item.detach() for name, item in logged.items()}, key=module_id, window=1)
        return cast(Tensor, loss)

    def _muesli(self, module_id: str) -> MuesliModule:
        return cast(MuesliModule, self.module[module_id].unwrapped())

    def _model_losses(
        self, module: MuesliModule, batch: dict[str, Any], fwd_out: dict[str, Any], target: Tensor, worth: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the model's losses of policy, value and reward, means over the actions looked ahead.

        Args:
            module: Knows the atoms.
            batch: The windows.
            fwd_out: With the model's predictions, (K, B, T, ...).
            target: float32 (B, T + 1, A), logarithm of the CMPO policy at each state.
            worth: float32 (B, T), what the states that steps arrive at are worth.
        """
        taken, ends, rewards = batch[TAKEN].bool(), batch[ENDS].bool(), batch[Columns.REWARDS]
        predicted = fwd_out[outputs.MODEL_POLICY_LOGITS]
        policy, value, reward = [], [], []
        for k in range(len(predicted)):
            # From state t the model has taken the actions t to t + k, and stands where step t + k arrives.
            steps = taken.shape[1] - k
            there = taken[:, k:]
            # Whatever follows an end, it is not the policy's; elsewhere the state arrived at has one.
            on = there & ~ends[:, k:]
            guess = functional.log_softmax(predicted[k][:, :steps], dim=-1)
            policy.append(_mean(divergence(target[:, k + 1 :], guess), on))
            logits = fwd_out[outputs.MODEL_VALUE_LOGITS][k][:, :steps]
            value.append(_mean(module.atoms.cross_entropy(logits, worth[:, k:]), there))
            logits = fwd_out[outputs.MODEL_REWARD_LOGITS][k][:, :steps]
            reward.append(_mean(module.atoms.cross_entropy(logits, rewards[:, k:]), there))
        return torch.stack(policy).mean(), torch.stack(value).mean(), torch.stack(reward).mean()


class MuesliLearner(EyeLearner, MuesliLossLearner):
    """Muesli's learner, with the eye's loss where the agent has an eye."""


def _mean(items: Tensor, where: Tensor) -> Tensor:
    """Return the mean of (B, T) items where a mask is True; 0 where it never is."""
    return (items * where).sum() / where.sum().clamp(min=1)
