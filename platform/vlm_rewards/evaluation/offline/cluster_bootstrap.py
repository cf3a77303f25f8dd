"""Bootstrap intervals over whole trajectories: the frames of one trajectory are not independent."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_rewards.evaluation.offline.precision_recall import check_labelled


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: Lower end, at most `high`, in the units of what it is of.
        high: Upper end, at least `low`, in the same units; both NaN where no resample had a value.
    """

    low: float
    high: float


def resampled_counts(clusters: int, resamples: int, seed: int) -> npt.NDArray[np.int32]:
    """Return how often each cluster is drawn in each resample of as many clusters, with replacement.

    Returns:
        int32 (resamples, clusters); each row sums to `clusters`.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(np.int32)


def cluster_index(clusters: np.ndarray) -> tuple[npt.NDArray[np.int64], int]:
    """Return the cluster of each row as int64 (N,) from 0, and their number."""
    values, index = np.unique(np.asarray(clusters), return_inverse=True)
    return index.astype(np.int64), len(values)


def percentile_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Return the percentile interval of a statistic's resamples; undefined ones (NaN) are left out.

    Args:
        values: float (resamples,), the statistic in each resample.
        confidence: Share of the resamples that lie within, in (0, 1).
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return Interval(np.nan, np.nan)
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))


def bootstrap_average_precision(
    scores: np.ndarray, labels: np.ndarray, clusters: np.ndarray, resamples: int = 1000, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Return the average precision in each resample of whole clusters.

    The scores are sorted once; a resample only changes the weights of the sorted rows.

    Args:
        scores: float32 (N,).
        labels: bool (N,).
        clusters: int (N,), the trajectory of each state.
        resamples: How many.
        seed: Seed of the draws.

    Returns:
        float64 (resamples,); NaN where a resample has no positive label.

    Raises:
        ConfigError: Scores and labels do not fit, or there are no positive or no negative labels.
    """
    scores, labels = check_labelled(scores, labels)
    index, count = cluster_index(clusters)
    order = np.argsort(-scores, kind="stable")
    index, labels = index[order], labels[order]
    # Rows of one score share one threshold: the last of them is where it stands.
    last = np.flatnonzero(np.r_[np.diff(scores[order]) != 0, True])
    draws = resampled_counts(count, resamples, seed)
    values = np.empty(resamples)
    for row, drawn in enumerate(draws):
        weights = drawn[index].astype(np.float64)
        fired = np.cumsum(weights)[last]
        hits = np.cumsum(np.where(labels, weights, 0.0))[last]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(fired > 0, hits / fired, 0.0)
            values[row] = (np.diff(hits, prepend=0.0) * precision).sum() / hits[-1]
    return values


def bootstrap_precision_recall(
    rewarded: np.ndarray, labels: np.ndarray, clusters: np.ndarray, resamples: int = 1000, seed: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the precision and recall in each resample of whole clusters, for one or many thresholds at once.

    Args:
        rewarded: bool (N,) or (N, B), whether the reward fires in each state, under each of B thresholds.
        labels: bool (N,).
        clusters: int (N,), the trajectory of each state.
        resamples: How many.
        seed: Seed of the draws.

    Returns:
        Two float64 arrays (resamples,) or (resamples, B), in [0, 1]; NaN where nothing is rewarded, or nothing
        could be.
    """
    rewarded, labels = np.asarray(rewarded, bool), np.asarray(labels, bool)
    flat = rewarded.reshape(len(labels), -1)
    index, count = cluster_index(clusters)

    def per_cluster(values: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        columns = [np.bincount(index, column, minlength=count) for column in values.T]
        return np.stack(columns, axis=1)

    draws = resampled_counts(count, resamples, seed).astype(np.float64)
    hits = draws @ per_cluster(flat & labels[:, None])
    fired = draws @ per_cluster(flat)
    positives = draws @ per_cluster(labels[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / fired, hits / positives
    shape = (resamples, *rewarded.shape[1:])
    return precision.reshape(shape), recall.reshape(shape)
