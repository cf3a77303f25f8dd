"""The reward forms that presets may name; a new one is a class of its own and a line in `HEADS`.

| form             | score                           | reward        | ends the episode |
|------------------|---------------------------------|---------------|------------------|
| `softmax_binary` | p of equation 1, in [0, 1]      | 1 if p > beta | with reward 1    |
| `unanimous`      | least p of several templates    | 1 if p > beta | with reward 1    |
| `ensemble`       | k-th largest p of several models| 1 if p > beta | with reward 1    |
| `cascade`        | p, a small model's where it says no | 1 if p > beta | with reward 1 |
| `probability`    | p of equation 1, in [0, 1]      | the score     | never            |
| `cosine`         | f(o)·g(l), in [-1, 1]           | the score     | never            |
| `goal_baseline`  | see `goal_baseline`, in [-1, 1] | the score     | never            |

Those that end episodes may wait until several states agree: `agree`, see `vlm_rewards.heads.agreement`.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator

from vlm_rewards.heads.cascade import Cascade
from vlm_rewards.heads.cosine import cosine
from vlm_rewards.heads.ensemble import Ensemble
from vlm_rewards.heads.goal_baseline import check_alpha, goal_baseline
from vlm_rewards.heads.head import RewardHead, as_table
from vlm_rewards.heads.softmax_binary import similarities, softmax_binary, softmax_of
from vlm_rewards.heads.unanimous import Unanimous
from vlm_rewards.registry import Registry


class _Softmax(RewardHead):
    """What both forms of equation 1 compute."""

    uses_negatives: ClassVar[bool] = True
    score_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def scores(
        self, images: np.ndarray, texts: np.ndarray, captions: np.ndarray, tau: float
    ) -> npt.NDArray[np.float32]:
        """Return the scores of equation 1."""
        return softmax_binary(images, texts, tau)

    def scores_of_all(
        self,
        images: npt.NDArray[np.float32],
        texts: npt.NDArray[np.float32],
        rows: Sequence[npt.NDArray[np.intp]],
        captions: npt.NDArray[np.float32],
        tau: float,
    ) -> npt.NDArray[np.float32]:
        """Return the scores of equation 1 for each goal; goals share most negatives, so each text is compared once."""
        shared = similarities(images, texts)
        return as_table([softmax_of(np.take(shared, own, axis=1), tau) for own in rows], len(images))


class Probability(_Softmax):
    """The probability of the goal against its negatives, as a dense reward."""

    form: Literal["probability"] = "probability"


class SoftmaxBinary(_Softmax):
    """The paper's form: the probability of the goal, and reward 1 and the episode's end where it is above beta."""

    terminates: ClassVar[bool] = True

    form: Literal["softmax_binary"] = "softmax_binary"


class Cosine(RewardHead):
    """The cosine of frame and goal, as a dense reward."""

    form: Literal["cosine"] = "cosine"

    def scores(
        self, images: np.ndarray, texts: np.ndarray, captions: np.ndarray, tau: float
    ) -> npt.NDArray[np.float32]:
        """Return the cosine of each frame and the goal."""
        return cosine(images, texts[0])


class GoalBaseline(RewardHead):
    """The dense form of Rocamonde et al. 2023; see `vlm_rewards.heads.goal_baseline`.

    Attributes:
        alpha: Strength of the regularisation, in [0, 1].
        baseline: A sentence that describes the scene without any goal.
    """

    form: Literal["goal_baseline"] = "goal_baseline"
    alpha: float = 0.5
    baseline: str = Field(min_length=1)

    @field_validator("alpha")
    @classmethod
    def _alpha_is_usable(cls, alpha: float) -> float:
        return check_alpha(alpha)

    @property
    def captions(self) -> tuple[str, ...]:
        """The baseline."""
        return (self.baseline,)

    def scores(
        self, images: np.ndarray, texts: np.ndarray, captions: np.ndarray, tau: float
    ) -> npt.NDArray[np.float32]:
        """Return the scores of definition 1 of the paper."""
        return goal_baseline(images, texts[0], captions[0], self.alpha)


HEADS: Registry[RewardHead] = Registry(
    "head",
    "form",
    SoftmaxBinary,
    Unanimous,
    Ensemble,
    Cascade,
    Probability,
    Cosine,
    GoalBaseline,
    default="softmax_binary",
)

Head = Annotated[SerializeAsAny[RewardHead], BeforeValidator(HEADS.parse)]
