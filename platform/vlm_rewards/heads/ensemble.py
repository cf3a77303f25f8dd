"""Several models, all of which must be above beta: their mistakes are not the same."""

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from vlm_rewards.heads.agreement import kth_largest
from vlm_rewards.heads.head import RewardHead
from vlm_rewards.heads.softmax_binary import softmax_binary


class Ensemble(RewardHead):
    """Reward 1, and the episode's end, where equation 1 is above beta by at least `need` of several models.

    The score is the `need`-th largest of their probabilities, by default the smallest. The reward's encoder is then an
    `EnsembleEncoder`, and a frame costs an image tower a model.

    Attributes:
        models: Besides `reward.model`: packaged models, hub ids or folders.
        need: Models that must be above beta; None asks for all.
    """

    uses_negatives: ClassVar[bool] = True
    terminates: ClassVar[bool] = True
    score_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    # By name they may lie elsewhere on another machine; the encoder's fingerprint holds what they are.
    outside_fingerprint: ClassVar[frozenset[str]] = frozenset({"models"})

    form: Literal["ensemble"] = "ensemble"
    models: tuple[str, ...] = Field(min_length=1)
    need: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _can_be_met(self) -> "Ensemble":
        if len(set(self.models)) < len(self.models):
            raise ValueError("models: one is named twice, which adds no opinion; name each once")
        if self.need is not None and self.need > 1 + len(self.models):
            raise ValueError(f"need {self.need} cannot be met by {1 + len(self.models)} models; lower it")
        return self

    @property
    def further_models(self) -> tuple[str, ...]:
        """The models besides the reward's own."""
        return self.models

    def scores(
        self, images: np.ndarray, texts: np.ndarray, captions: np.ndarray, tau: float
    ) -> npt.NDArray[np.float32]:
        """Return the `need`-th largest probability; each embedding holds the models' own side by side.

        Args:
            images: float (N, M B), M blocks of equal width B, each of length 1 / sqrt(M), as `EnsembleEncoder` gives.
            texts: float (K, M B), likewise.
            captions: Not used.
            tau: Temperature of equation 1, above 0.

        Returns:
            float32 (N,), in [0, 1].
        """
        members = 1 + len(self.models)
        # A block's products are 1 / M of its model's cosines: so is the temperature.
        votes = [
            softmax_binary(image, text, tau / members)
            for image, text in zip(np.split(images, members, 1), np.split(texts, members, 1), strict=True)
        ]
        return kth_largest(votes, self.need or members)
