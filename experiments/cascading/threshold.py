"""The highest threshold of a small model at which hardly a reward of the large one is lost."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.summary import wilson_interval

# The share of the large model's rewards that a cascade may lose.
MOST_LOST = 0.001


def choose_threshold(scores: npt.NDArray[np.float32], beta: float) -> float:
    """Return the highest threshold at which a further reward is lost with a probability of at most `MOST_LOST`.

    With a threshold just below the k-th smallest of n scores, a further one, drawn as these were, does not pass it with
    a probability of at most k / (n + 1), whatever the model: the bound of split conformal prediction.

    Args:
        scores: float32 (n,), the small model's for n frames that the large one rewards, in [0, 1].
        beta: The reward's threshold, in [0, 1]; the result is at most this.

    Raises:
        ConfigError: So few rewards cannot say it, or the small model gives too many of them no chance at all.
    """
    needed = math.ceil(1 / MOST_LOST) - 1
    if len(scores) < needed:
        raise ConfigError(
            f"{len(scores):,} rewards cannot tell that {MOST_LOST:.1%} are lost: {needed - len(scores):,} more are "
            "needed, of as many again for the test; play longer (--set steps=...)"
        )
    place = math.floor((len(scores) + 1) * MOST_LOST + 1e-9) - 1  # of the k-th smallest; the sum is for rounding
    kept = np.sort(scores)[place]
    if kept <= 0:
        raise ConfigError(
            f"the small model gives {int((scores <= 0).sum()):,} of {len(scores):,} rewarded frames no chance at all; "
            "name another with --small"
        )
    return float(min(np.nextafter(kept, np.float32(0)), np.float32(beta)))


@dataclass(frozen=True)
class CascadeLoss:
    """What a threshold does to frames that did not choose it.

    Attributes:
        frames: How many.
        asked: Of these the large model is asked about.
        rewards: The large model's.
        lost: Of these the small model refuses.
    """

    frames: int
    asked: int
    rewards: int
    lost: int

    @classmethod
    def of(cls, small: npt.NDArray[np.float32], rewarded: npt.NDArray[np.bool_], threshold: float) -> "CascadeLoss":
        """Count.

        Args:
            small: float32 (N,), the small model's scores.
            rewarded: bool (N,), where the large model rewards.
            threshold: Scores up to it are refused.
        """
        asked = small > np.float32(threshold)
        return cls(len(small), int(asked.sum()), int(rewarded.sum()), int((rewarded & ~asked).sum()))

    def in_words(self) -> str:
        """Return it as a line."""
        if not self.frames:
            return "no frames"
        line = f"{self.asked / self.frames:.1%} of {self.frames:,} frames asked about"
        if not self.rewards:
            return f"{line}, no rewards"
        low, high = wilson_interval(self.lost, self.rewards)
        return f"{line}, {self.lost} of {self.rewards:,} rewards lost ({low:.3%} to {high:.3%})"
