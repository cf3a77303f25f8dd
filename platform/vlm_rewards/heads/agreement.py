"""Several looks that must agree: over prompts, models, or successive states of an episode."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from vlm_rewards.strict_config import StrictConfig


class Agreement(StrictConfig):
    """How many of an episode's latest states must be above beta before one is rewarded.

    A mistake that a frame makes and its neighbours do not is then not paid, and no image is encoded twice: it is the
    scores of an episode that are compared. An episode that has had fewer than `need` states is not rewarded yet.

    Attributes:
        need: States that must be above beta.
        of: Among so many, the present one and those just before it; 1 judges each state alone.
    """

    need: int = Field(default=1, ge=1)
    of: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _can_be_met(self) -> "Agreement":
        if self.need > self.of:
            raise ValueError(f"need {self.need} cannot be met by {self.of} states; lower it, or raise `of`")
        return self

    @property
    def is_of_one(self) -> bool:
        """Whether each state is judged alone."""
        return self.of == 1


def kth_largest(
    votes: npt.NDArray[np.float32] | Sequence[npt.NDArray[np.float32]], need: int
) -> npt.NDArray[np.float32]:
    """Return the `need`-th largest vote, which is above a threshold exactly where at least `need` of them are.

    Args:
        votes: float32 (V, ...), V of at least `need`.
        need: At least 1; V takes the smallest: all must agree.

    Returns:
        float32 (...,), in the range of the votes, which lie above -inf; NaN where a vote is.
    """
    table = np.asarray(votes, np.float32)
    chosen = np.partition(table, len(table) - need, axis=0)[len(table) - need]
    result: npt.NDArray[np.float32] = np.where(np.isnan(table).any(axis=0), np.float32(np.nan), chosen)
    return result


def agreed(
    scores: npt.NDArray[np.float32], position: npt.NDArray[np.int64], agreement: Agreement, lowest: float = 0.0
) -> npt.NDArray[np.float32]:
    """Return what successive states agree on: the `need`-th largest score among a state's and those just before it.

    Args:
        scores: float32 (..., T), in order of time along the last axis; one row may hold several episodes.
        position: int64 (T,) or (..., T), how many states of its episode precede each.
        agreement: How many of how many.
        lowest: Score of a state before which there were too few.

    Returns:
        float32 (..., T); the scores themselves for an agreement of one.
    """
    if agreement.is_of_one:
        return scores
    position = np.broadcast_to(position, scores.shape)
    votes = np.full((agreement.of, *scores.shape), -np.inf, np.float32)
    for lag in range(min(agreement.of, scores.shape[-1])):
        shifted = scores[..., : scores.shape[-1] - lag]
        votes[lag, ..., lag:] = np.where(position[..., lag:] >= lag, shifted, -np.inf)
    chosen = kth_largest(votes, agreement.need)
    result: npt.NDArray[np.float32] = np.where(np.isneginf(chosen), np.float32(lowest), chosen)
    return result


def agreed_now(
    scores: npt.NDArray[np.float32],
    earlier: Sequence[Sequence[npt.ArrayLike]],
    agreement: Agreement,
    lowest: float = 0.0,
) -> npt.NDArray[np.float32]:
    """Return what the present states of several episodes agree on with those just before them.

    Args:
        scores: float32 (N, ...), the scores of the present states, such as one for each of several goals.
        earlier: For each of the N its episode's scores before, (T, ...) float32 with T of its own, oldest first.
        agreement: How many of how many.
        lowest: Score of a state before which there were too few.

    Returns:
        Scores, float32 (N, ...), as `agreed` gives for the last state of each.
    """
    if agreement.is_of_one:
        return scores
    votes = np.full((agreement.of, *scores.shape), -np.inf, np.float32)
    votes[0] = scores
    for column, before in enumerate(earlier):
        for lag, vote in enumerate(before[-(agreement.of - 1) :]):
            votes[1 + lag, column] = vote
    chosen = kth_largest(votes, agreement.need)
    result: npt.NDArray[np.float32] = np.where(np.isneginf(chosen), np.float32(lowest), chosen)
    return result
