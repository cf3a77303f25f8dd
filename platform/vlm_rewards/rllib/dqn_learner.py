"""The learner of double DQN with n-step returns."""

from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.dqn.dqn_learner import QF_NEXT_PREDS, QF_PREDS, QF_TARGET_NEXT_PREDS
from ray.rllib.algorithms.dqn.torch.dqn_torch_learner import DQNTorchLearner
from ray.rllib.core.columns import Columns
from torch import Tensor
from torch.nn import functional

from vlm_rewards.rllib.adam_learner import AdamLearner
from vlm_rewards.rllib.compiled_learner import CompiledLearner
from vlm_rewards.rllib.eye_learner import EyeLearner

DISCOUNTS = "discounts"
"""Column of what the value of the state arrived at is multiplied by."""


class DoubleQLossLearner(CompiledLearner, AdamLearner, DQNTorchLearner):
    """RLlib's DQN learner, whose target network it keeps, with a target that a hit can cut.

    RLlib's own loss discounts every step by gamma^n and takes any termination for one of the whole window. Here each
    row says itself by how much what follows counts: a relabelled step's window ends where *its* goal is achieved.
    """

    def compute_loss_for_module(
        self, *, module_id: str, config: AlgorithmConfig, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> Tensor:
        """Return the Huber loss of the double-Q target, a float32 scalar of at least 0."""
        settings: Any = config
        chosen = fwd_out[QF_PREDS].gather(-1, batch[Columns.ACTIONS].long().unsqueeze(-1)).squeeze(-1)
        target = double_q_target(
            batch[Columns.REWARDS],
            batch[DISCOUNTS],
            fwd_out[QF_NEXT_PREDS],
            fwd_out[QF_TARGET_NEXT_PREDS],
            settings.value_range,
        )
        loss = functional.smooth_l1_loss(chosen, target, beta=settings.huber_delta)
        self.metrics.log_dict({"qf_loss": loss.detach(), "qf_mean": chosen.mean().detach()}, key=module_id, window=1)
        return loss


class DoubleQLearner(EyeLearner, DoubleQLossLearner):
    """Double DQN's learner, with the eye's loss where the agent has an eye."""


def double_q_target(
    returns: Tensor, discounts: Tensor, online: Tensor, following: Tensor, value_range: tuple[float, float] | None
) -> Tensor:
    """Return R + d * Q_target(s', argmax_a Q(s', a)) (van Hasselt et al. 2016), without a gradient.

    Args:
        returns: float32 (B,), the discounted rewards of up to n steps, R.
        discounts: float32 (B,), gamma to the number of these steps, or 0 after an end, d.
        online: float32 (B, actions), Q of the state arrived at.
        following: float32 (B, actions), the target network's.
        value_range: Smallest and largest return that there can be; None does not clip.

    Returns:
        float32 (B,).
    """
    best = online.argmax(dim=-1, keepdim=True)
    target = (returns + discounts * following.gather(-1, best).squeeze(-1)).detach()
    return target if value_range is None else target.clamp(*value_range)
