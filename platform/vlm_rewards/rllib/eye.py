"""The reward model teaches the agent's eye: what it says of a frame is regressed from the agent's features."""

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from vlm_rewards.strict_config import StrictConfig

EYE_PREDICTIONS = "eye_predictions"
"""What the module says of a frame in training, float32 (B, K)."""

EYE_TARGETS = "eye_targets"
"""What the reward model says of it, float32 (B, K)."""

EYE_MASK = "eye_mask"
"""Where the reward model has said anything, bool (B,)."""


class Eye(StrictConfig):
    """The auxiliary loss on the agent's goal-conditioned features.

    A linear layer on the features that policy and value read predicts the similarities of the frame, as the reward
    model embeds it, to the goal's caption and to its captions that are not yet achieved. No label and no picture more
    is needed: the embedding exists already, and says how much of the goal is in sight long before a reward does.

    Attributes:
        weight: Weight of the mean squared error beside the algorithm's own loss.
    """

    weight: float = Field(default=3.0, gt=0)


def eye_loss(outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> Tensor:
    """Return the mean squared error of the predicted similarities, over the rows that have any; 0 if none has.

    Args:
        outputs: Outputs of the module's `forward_train`, with `EYE_PREDICTIONS`.
        batch: With `EYE_TARGETS` and `EYE_MASK`.

    Returns:
        A float32 scalar of at least 0.
    """
    mask: Tensor = batch[EYE_MASK].to(torch.float32)
    squares: Tensor = (outputs[EYE_PREDICTIONS].float() - batch[EYE_TARGETS]).square().mean(dim=-1)
    return (squares * mask).sum() / mask.sum().clamp(min=1)
