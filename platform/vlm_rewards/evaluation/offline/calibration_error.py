"""Expected calibration error: does p(goal) mean what it says?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class CalibrationError:
    """Reliability in bins of equal width over [0, 1].

    Attributes:
        error: Mean gap between score and frequency, weighted by the states of each bin, in [0, 1].
        counts: int64 (B,), states in each bin.
        mean_score: float64 (B,), mean score in each bin; NaN where it is empty.
        frequency: float64 (B,), share of states that have reached their goal in each bin; NaN where it is empty.
    """

    error: float
    counts: npt.NDArray[np.int64]
    mean_score: npt.NDArray[np.float64]
    frequency: npt.NDArray[np.float64]


def expected_calibration_error(scores: np.ndarray, labels: np.ndarray, bins: int = 15) -> CalibrationError:
    """Return the gap between the probability that a model states and how often it is right (Naeini et al. 2015).

    Args:
        scores: float (N,), probabilities in [0, 1].
        labels: bool (N,).
        bins: B, of equal width; a score of 1 falls into the last.

    Returns:
        The error and its bins; the error is NaN where a score lies outside [0, 1] and so is no probability, or where
        there are no states.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    empty = np.full(bins, np.nan)
    if not len(scores) or scores.min() < 0 or scores.max() > 1:
        return CalibrationError(np.nan, np.zeros(bins, np.int64), empty, empty)
    place = np.minimum((scores * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_score = np.bincount(place, scores, minlength=bins) / counts
        frequency = np.bincount(place, labels, minlength=bins) / counts
    error = float(np.nansum(counts * np.abs(mean_score - frequency)) / len(scores))
    return CalibrationError(error, counts, mean_score, frequency)
