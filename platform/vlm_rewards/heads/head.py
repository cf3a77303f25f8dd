"""Which reward form is used: what a score is, what it may be, and what reward and ending follow from it."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from vlm_rewards.heads.cosine import cosine
from vlm_rewards.heads.goal_baseline import check_alpha, goal_baseline
from vlm_rewards.heads.pooling import FramePooling
from vlm_rewards.heads.softmax_binary import softmax_binary, threshold
from vlm_rewards.strict_config import StrictConfig

RewardForm = Literal["softmax_binary", "probability", "cosine", "goal_baseline"]


class HeadConfig(StrictConfig):
    """The reward form.

    | form             | score                           | reward            | ends the episode |
    |------------------|---------------------------------|-------------------|------------------|
    | `softmax_binary` | p of equation 1, in [0, 1]      | 1 if p > beta     | with reward 1    |
    | `probability`    | p of equation 1, in [0, 1]      | the score         | never            |
    | `cosine`         | f(o)·g(l), in [-1, 1]           | the score         | never            |
    | `goal_baseline`  | see `goal_baseline`, in [-1, 1] | the score         | never            |

    Attributes:
        form: one of these.
        alpha: of `goal_baseline`, in [0, 1].
        baseline: of `goal_baseline`: a sentence that describes the scene without any goal.
        frames: how the frames of a clip become one embedding.
    """

    form: RewardForm = "softmax_binary"
    alpha: float = 0.5
    baseline: str | None = Field(default=None, min_length=1)
    frames: FramePooling = FramePooling()

    @field_validator("alpha")
    @classmethod
    def _alpha_is_usable(cls, alpha: float) -> float:
        return check_alpha(alpha)

    @model_validator(mode="after")
    def _fits_the_form(self) -> "HeadConfig":
        if (self.form == "goal_baseline") != (self.baseline is not None):
            raise ValueError(
                "form 'goal_baseline' needs a baseline: a sentence that describes the scene without the goal"
                if self.baseline is None
                else f"form {self.form!r} has no baseline; leave it out or use form 'goal_baseline'"
            )
        return self

    @property
    def uses_negatives(self) -> bool:
        """Whether scores depend on the negatives and on tau."""
        return self.form in ("softmax_binary", "probability")

    @property
    def terminates(self) -> bool:
        """Whether a reward above 0 means that the goal is reached and ends the episode."""
        return self.form == "softmax_binary"

    @property
    def score_range(self) -> tuple[float, float]:
        """Smallest and largest score."""
        return (0.0, 1.0) if self.uses_negatives else (-1.0, 1.0)

    def scores(
        self, images: npt.NDArray, texts: npt.NDArray, baseline: npt.NDArray | None, tau: float
    ) -> npt.NDArray[np.float32]:
        """Scores embedded frames against one goal; a row's score does not depend on the other rows.

        Args:
            images: (N, D), rows L2-normalised.
            texts: (K, D), the goal's embedding and then its negatives'.
            baseline: (D,) for `goal_baseline`, else unused.
            tau: temperature of equation 1, above 0.

        Returns:
            float32 (N,), in `score_range`.
        """
        if self.uses_negatives:
            return softmax_binary(images, texts, tau)
        if self.form == "cosine":
            return cosine(images, texts[0])
        assert baseline is not None  # see `_fits_the_form`
        return goal_baseline(images, texts[0], baseline, self.alpha)


def rewards_of(form: RewardForm, scores: npt.ArrayLike, beta: float) -> npt.NDArray[np.float32]:
    """Maps scores to rewards: equation 2 for `softmax_binary`, the score itself for the dense forms.

    Args:
        form: of the head that gave the scores.
        scores: any shape.
        beta: threshold of equation 2, in [0, 1].

    Returns:
        float32, of the scores' shape.
    """
    return threshold(scores, beta) if form == "softmax_binary" else np.array(scores, np.float32)
