"""A small model in front of a large one: what is plainly not the goal never reaches the large one."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from vlm_rewards.encoders.cascade_encoder import SMALL_LENGTH
from vlm_rewards.heads.head import RewardHead, as_table
from vlm_rewards.heads.pooling import FramePooling
from vlm_rewards.heads.softmax_binary import similarities, softmax_binary, softmax_of

# A product of two blocks of the small model is so much of its cosine: a power of two, which changes no bit of a score.
_SMALL_COSINE = SMALL_LENGTH**2


class Cascade(RewardHead):
    """The paper's form, by the reward's model, asked only about the frames that a smaller one does not refuse.

    The score is equation 1. Where it is at most `threshold` by the small model, that is the score, which is not above
    beta, and the large model never sees the frame. Everywhere else it is the large model's, to the bit. Both read the
    same prompts at the same tau. The reward's encoder is then a `CascadeEncoder`.

    Attributes:
        model: The small model: a packaged model, a hub id or a folder.
        threshold: In [0, 1], at most beta; `python -m experiments.cascade` finds it.
    """

    uses_negatives: ClassVar[bool] = True
    terminates: ClassVar[bool] = True
    score_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    # By name it may lie elsewhere on another machine; the encoder's fingerprint holds what it is.
    outside_fingerprint: ClassVar[frozenset[str]] = frozenset({"model"})

    form: Literal["cascade"] = "cascade"
    model: str = Field(min_length=1)
    threshold: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _sees_single_frames(self) -> "Cascade":
        if self.frames != FramePooling():
            raise ValueError("a cascade looks at the last frame of a clip alone; leave frames out")
        return self

    @property
    def further_models(self) -> tuple[str, ...]:
        """The small model."""
        return (self.model,)

    def agreement_values(self) -> dict[str, Any]:
        """Those of `softmax_binary`: a precision is compared by the large model's rewards, which these are."""
        values = super().agreement_values()
        del values["model"], values["threshold"]
        return {**values, "form": "softmax_binary"}

    def asks(
        self,
        images: npt.NDArray[np.float32],
        texts: npt.NDArray[np.float32],
        rows: Sequence[npt.NDArray[np.intp]],
        wanted: npt.NDArray[np.bool_],
        tau: float,
    ) -> npt.NDArray[np.bool_]:
        """Return where the small model does not refuse all wanted goals; the large model's block is not read."""
        asked = np.zeros(len(images), np.bool_)
        shared = similarities(_blocks(images)[1], _blocks(texts)[1])
        for own, frames in zip(rows, wanted.T, strict=True):
            left = np.flatnonzero(frames & ~asked)
            asked[left] = self._passes(softmax_of(shared[left[:, None], own], tau * _SMALL_COSINE))
        return asked

    def scores(
        self, images: np.ndarray, texts: np.ndarray, captions: np.ndarray, tau: float
    ) -> npt.NDArray[np.float32]:
        """Return the large model's probability where the small one does not refuse, and else the small one's.

        Args:
            images: float (N, 2 B), the large model's block and then the small one's, as `CascadeEncoder` gives; the
                large one's may be NaN where `asks` is false.
            texts: float (K, 2 B), likewise.
            captions: Not used.
            tau: Temperature of equation 1, above 0.

        Returns:
            float32 (N,), in [0, 1].
        """
        (large, small), (large_texts, small_texts) = _blocks(images), _blocks(texts)
        scores = softmax_binary(small, small_texts, tau * _SMALL_COSINE)
        asked = self._passes(scores)
        if asked.any():
            scores[asked] = softmax_binary(large[asked], large_texts, tau)
        return scores

    def scores_of_all(
        self,
        images: npt.NDArray[np.float32],
        texts: npt.NDArray[np.float32],
        rows: Sequence[npt.NDArray[np.intp]],
        captions: npt.NDArray[np.float32],
        tau: float,
    ) -> npt.NDArray[np.float32]:
        """Return the scores for each goal; goals share most negatives, so each text is compared once by each model."""
        large, small = (similarities(*pair) for pair in zip(_blocks(images), _blocks(texts), strict=True))
        columns = []
        for own in rows:
            scores = softmax_of(np.take(small, own, axis=1), tau * _SMALL_COSINE)
            asked = self._passes(scores)
            scores[asked] = softmax_of(np.take(large[asked], own, axis=1), tau)
            columns.append(scores)
        return as_table(columns, len(images))

    def _passes(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        return np.asarray(scores > np.float32(self.threshold))


def _blocks(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the large model's block and the small one's."""
    width = embeddings.shape[1] // 2
    return embeddings[:, :width], embeddings[:, width:]
