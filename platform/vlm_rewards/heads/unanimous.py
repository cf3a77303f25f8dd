"""The goal in several wordings, all of which must be above beta: safer, and no image is encoded twice for it."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from vlm_rewards.goals import PromptTemplate
from vlm_rewards.heads.agreement import kth_largest
from vlm_rewards.heads.head import RewardHead, as_table
from vlm_rewards.heads.softmax_binary import similarities, softmax_binary, softmax_of


class Unanimous(RewardHead):
    """Reward 1, and the episode's end, where equation 1 is above beta with the reward's template and all of these.

    The score is the smallest of their probabilities: min over templates t of p_t(goal). Each is a softmax over the goal
    and its negatives in the words of that template.

    Attributes:
        templates: Besides `reward.template`: the paper's "A" to "D", or sentences with [TASK].
    """

    uses_negatives: ClassVar[bool] = True
    terminates: ClassVar[bool] = True
    score_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    form: Literal["unanimous"] = "unanimous"
    templates: tuple[str, ...] = Field(min_length=1)

    @field_validator("templates")
    @classmethod
    def _templates_are_usable(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        texts = [PromptTemplate.named(template).text for template in templates]
        if len(set(texts)) < len(texts):
            raise ValueError("a template is named twice, which adds no opinion; name each once")
        return templates

    @property
    def further_templates(self) -> tuple[str, ...]:
        """The templates besides the reward's own."""
        return self.templates

    def scores(
        self, images: np.ndarray, texts: np.ndarray, captions: np.ndarray, tau: float
    ) -> npt.NDArray[np.float32]:
        """Return the smallest probability; `texts` holds the sets of all templates, one after the other."""
        sets = np.split(texts, 1 + len(self.templates))
        return kth_largest([softmax_binary(images, own, tau) for own in sets], len(sets))

    def scores_of_all(
        self,
        images: npt.NDArray[np.float32],
        texts: npt.NDArray[np.float32],
        rows: Sequence[npt.NDArray[np.intp]],
        captions: npt.NDArray[np.float32],
        tau: float,
    ) -> npt.NDArray[np.float32]:
        """Return the smallest probability for each goal; each text is compared once."""
        shared = similarities(images, texts)
        columns = []
        for own in rows:
            sets = np.split(own, 1 + len(self.templates))
            columns.append(kth_largest([softmax_of(np.take(shared, part, axis=1), tau) for part in sets], len(sets)))
        return as_table(columns, len(images))
