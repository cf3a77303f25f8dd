"""What a reward form is: what its score may be, and what reward and ending follow from it."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from vlm_rewards.heads.agreement import Agreement, agreed_now
from vlm_rewards.heads.pooling import FramePooling
from vlm_rewards.heads.softmax_binary import threshold
from vlm_rewards.strict_config import StrictConfig


class RewardHead(StrictConfig):
    """One reward form: settings, score, and the range of the score.

    A new form is a class like those in `vlm_rewards.heads.forms`, and is known once it is added to `HEADS`.

    Attributes:
        form: The form's name in presets.
        frames: How the frames of a clip become one embedding.
        agree: How many of an episode's latest states must be above beta; for forms that end episodes.
        uses_negatives: Whether scores depend on the negatives and on tau, which must then be given.
        terminates: Whether the reward is 1 where the score is above beta, and then ends the episode. Otherwise the
            score is the reward, and ends nothing.
        score_range: Smallest and largest score.
        outside_fingerprint: Settings that do not change rewards, or whose meaning the encoder's fingerprint holds.
    """

    uses_negatives: ClassVar[bool] = False
    terminates: ClassVar[bool] = False
    score_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    outside_fingerprint: ClassVar[frozenset[str]] = frozenset()

    form: str
    frames: FramePooling = FramePooling()
    agree: Agreement = Agreement()

    @model_validator(mode="after")
    def _agreement_has_a_threshold(self) -> "RewardHead":
        if not self.agree.is_of_one and not self.terminates:
            raise ValueError(f"agree needs a threshold, and form {self.form!r} has none; leave it out")
        return self

    @property
    def further_templates(self) -> tuple[str, ...]:
        """Templates whose prompts the form compares frames with besides those of the reward's own."""
        return ()

    @property
    def further_models(self) -> tuple[str, ...]:
        """Models whose embeddings the form reads beside those of the reward's own."""
        return ()

    @property
    def captions(self) -> tuple[str, ...]:
        """Texts that the form compares frames with besides goals and negatives."""
        return ()

    def agreement_values(self) -> dict[str, Any]:
        """Return what `RewardConfig.agreement_key` holds of it."""
        # What heads have learned since agreements were first recorded is left out where a head does not use it.
        values = self.model_dump(mode="json", exclude={"agree"} if self.agree.is_of_one else set())
        # Every form had these two when they were.
        return {"alpha": 0.5, "baseline": None, **values}

    def asks(
        self,
        images: npt.NDArray[np.float32],
        texts: npt.NDArray[np.float32],
        rows: Sequence[npt.NDArray[np.intp]],
        wanted: npt.NDArray[np.bool_],
        tau: float,
    ) -> npt.NDArray[np.bool_]:
        """Return which frames the reward's own model has to see, bool (N,); a row's may not depend on the others.

        Args:
            images: float32 (N, D), as for `scores`, without what a cascade's large model says.
            texts: float32 (U, D), rows L2-normalised: the distinct embeddings of all goals and negatives.
            rows: For each of G goals which texts are its own, int (K,).
            wanted: bool (N, G), for which goals each frame is to be scored.
            tau: Temperature of equation 1, above 0.
        """
        return np.ones(len(images), np.bool_)

    def scores(
        self, images: np.ndarray, texts: np.ndarray, captions: np.ndarray, tau: float
    ) -> npt.NDArray[np.float32]:
        """Score embedded frames against one goal; a row's score may not depend on the other rows.

        Args:
            images: float32 (N, D), rows L2-normalised.
            texts: float32 (K, D), rows L2-normalised: the goal's embedding and then its negatives'; the goal's alone
                without `uses_negatives`. With `further_templates` as many more, in the words of each.
            captions: float32 (C, D), the L2-normalised embeddings of `captions`.
            tau: Temperature of equation 1, above 0.

        Returns:
            float32 (N,), in `score_range`.
        """
        raise NotImplementedError

    def scores_of_all(
        self,
        images: npt.NDArray[np.float32],
        texts: npt.NDArray[np.float32],
        rows: Sequence[npt.NDArray[np.intp]],
        captions: npt.NDArray[np.float32],
        tau: float,
    ) -> npt.NDArray[np.float32]:
        """Score embedded frames against several goals, to the bit as `scores` does one by one.

        Args:
            images: float32 (N, D), rows L2-normalised.
            texts: float32 (U, D), rows L2-normalised: the distinct embeddings of all goals and negatives.
            rows: For each of G goals which texts are its own, int (K,), in the order of `scores`.
            captions: float32 (C, D), the L2-normalised embeddings of `captions`.
            tau: Temperature of equation 1, above 0.

        Returns:
            float32 (N, G), in `score_range`.
        """
        return as_table([self.scores(images, texts[own], captions, tau) for own in rows], len(images))


def as_table(columns: Sequence[npt.NDArray[np.float32]], images: int) -> npt.NDArray[np.float32]:
    """Return the scores of each goal, (N,) each, side by side: float32 (N, G), also for no goal."""
    return np.stack(columns, axis=1) if columns else np.zeros((images, 0), np.float32)


def rewards_alone(
    terminates: bool, scores: npt.ArrayLike, beta: float, agreement: Agreement
) -> npt.NDArray[np.float32]:
    """Map the scores of states that are judged alone to rewards: where several must agree, none is rewarded.

    Args:
        terminates: Whether the head that gave the scores ends episodes.
        scores: float32 of any shape.
        beta: Threshold of equation 2, in [0, 1].
        agreement: How many states must agree.

    Returns:
        float32 of the same shape: 0 or 1, or for dense forms the scores.
    """
    flat = np.asarray(scores, np.float32)
    alone = agreed_now(flat.reshape(-1), [()] * flat.size, agreement).reshape(flat.shape)
    return rewards_of(terminates, alone, beta)


def rewards_of(terminates: bool, scores: npt.ArrayLike, beta: float) -> npt.NDArray[np.float32]:
    """Map scores to rewards: equation 2 for the form that ends episodes, the score itself for the dense forms.

    Args:
        terminates: Whether the head that gave the scores ends episodes.
        scores: float32 of any shape.
        beta: Threshold of equation 2, in [0, 1].

    Returns:
        float32 of the same shape: 0 or 1, or for dense forms the scores.
    """
    return threshold(scores, beta) if terminates else np.array(scores, np.float32)
