"""Interquartile means with stratified bootstrap intervals, as the field reports a few seeds of several tasks."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RESAMPLES = 5000
_TRIMMED = 0.25


def interquartile_mean(values: npt.NDArray[np.float64], axis: int = 0) -> npt.NDArray[np.float64]:
    """Return the mean of the middle half of `values` (Agarwal et al. 2021, "Deep RL at the Edge of the Precipice").

    The lowest and the highest quarter are left out, each rounded down to whole values: of three values none is, and
    their interquartile mean is their mean; of four or five, one at each end.

    Args:
        values: float64 of any shape, finite, with at least one value along `axis`.
        axis: The axis that is reduced: seeds, or seeds of all tasks together.

    Returns:
        float64 of the shape of `values` without `axis`, (...,), in the units of `values`; finite.
    """
    from scipy import stats

    return np.asarray(stats.trim_mean(values, _TRIMMED, axis=axis), np.float64)


def stratified_bootstrap(
    strata: Sequence[npt.NDArray[np.float64]], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the 95 % percentile interval of the interquartile mean of all strata together.

    Each resample draws, within each stratum, as many of its seeds with replacement, so that no task is left out of one
    or counts twice in another (Agarwal et al. 2021, section 4.1). A curve is drawn whole: all of its points belong to
    one seed. Three seeds of one task have 27 equally likely resamples, of which the lowest and the highest are each
    more than 2.5 %: their interval is their range, and more seeds make it a confidence interval.

    Args:
        strata: The seeds of each task, float64 (seeds, ...), finite; the trailing shapes are equal, the numbers of
            seeds may differ.
        resamples: How many resamples are drawn.
        seed: Seed of the draws.

    Returns:
        Lower and upper ends, float64 (...,), finite.
    """
    rng = np.random.default_rng(seed)
    draws = [stratum[rng.integers(0, len(stratum), (resamples, len(stratum)))] for stratum in strata]
    low, high = np.quantile(interquartile_mean(np.concatenate(draws, axis=1), axis=1), [0.025, 0.975], axis=0)
    return low, high
