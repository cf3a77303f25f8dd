"""What a reward makes of recorded episodes: where it ends them, what it pays, and what is true."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Episodes:
    """Recorded episodes of equal length; no reward has ended any.

    Attributes:
        achieved: bool (..., T), whether the goal holds in each state.
        success: bool (..., T), whether it has held by then.
    """

    achieved: npt.NDArray[np.bool_]
    success: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcomes:
    """Episodes as one reward ends and pays them.

    Attributes:
        paid: bool (...), whether it pays at all.
        true: bool (...), whether it pays in a state in which the goal holds.
        truth: bool (...), whether the goal has been reached when it ends the episode, or time does.
        end: int64 (...), index of the last state, in [0, T).
        value: float64 (...), what a search prefers: for an episode that is paid 1 + gamma^end, else the highest score,
            in [0, 1]. What is paid sooner is worth more, as to an agent; where nothing is paid the score leads on.
    """

    paid: npt.NDArray[np.bool_]
    true: npt.NDArray[np.bool_]
    truth: npt.NDArray[np.bool_]
    end: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


def outcomes(episodes: Episodes, scores: npt.NDArray[np.float32], beta: float, gamma: float) -> Outcomes:
    """End each episode at its first state with a score above beta, as equation 2 does.

    Args:
        episodes: What happened.
        scores: float32 (..., T), in [0, 1]; what several states agree on, where they must.
        beta: Threshold.
        gamma: Discount of the return that a search prefers.
    """
    above = scores > np.float32(beta)
    paid: npt.NDArray[np.bool_] = np.asarray(above.any(axis=-1))
    end = np.where(paid, above.argmax(axis=-1), scores.shape[-1] - 1)

    def last(values: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        result: npt.NDArray[np.bool_] = np.take_along_axis(values, end[..., None], axis=-1)[..., 0]
        return result

    value = np.where(paid, 1 + gamma ** end.astype(np.float64), scores.max(axis=-1).astype(np.float64))
    return Outcomes(paid, paid & last(episodes.achieved), last(episodes.success), end, value)


def true_outcomes(episodes: Episodes, gamma: float) -> Outcomes:
    """Return what the truth itself, as a reward, makes of the episodes: the same search's best case."""
    return outcomes(episodes, episodes.achieved.astype(np.float32), 0.5, gamma)
