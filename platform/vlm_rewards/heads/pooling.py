"""From the frames of a clip to one embedding."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from vlm_rewards.strict_config import StrictConfig


class FramePooling(StrictConfig):
    """Which frames of a clip count, and how: the mean of their embeddings, brought back to length 1.

    Attributes:
        kind: `last` takes the last k frames, `mean` all of them.
        k: How many frames for `last`; a shorter clip counts whole.
    """

    kind: Literal["last", "mean"] = "last"
    k: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _k_is_used(self) -> "FramePooling":
        if self.kind == "mean" and self.k != 1:
            raise ValueError(f"mean pools all frames, k {self.k} has no meaning; use kind 'last' to pool the last k")
        return self

    def frames_of(self, length: int) -> slice:
        """Say which frames of a clip of `length` have to be embedded."""
        return slice(0, length) if self.kind == "mean" else slice(max(0, length - self.k), length)


def pool(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the mean over frames, of length 1; a single frame comes back as it is.

    Args:
        embeddings: float32 (N, T, D), T of at least 1, rows L2-normalised.

    Returns:
        float32 (N, D); zeros where the frames cancel out.
    """
    if embeddings.shape[1] == 1:
        return embeddings[:, 0]
    # One frame after the other, and one row after the other: a fixed order, whatever the number of clips.
    total = np.zeros((len(embeddings), embeddings.shape[2]))
    for frame in range(embeddings.shape[1]):
        total += embeddings[:, frame]
    lengths = np.sqrt(np.einsum("nd,nd->n", total, total, optimize=False))[:, None]
    return (total / np.where(lengths == 0, 1, lengths)).astype(np.float32)
