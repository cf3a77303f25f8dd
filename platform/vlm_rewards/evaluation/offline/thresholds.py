"""Choosing tau and beta: the most recall among thresholds that are precise enough, or the most to learn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline.cluster_bootstrap import bootstrap_precision_recall
from vlm_rewards.evaluation.offline.outcomes import paid_shares
from vlm_rewards.evaluation.offline.precision_recall import precision_and_recall, precision_recall_curve


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold and how it does on the states it was chosen on.

    Attributes:
        beta: Threshold; states with a score above it are rewarded.
        precision: In [0, 1].
        precision_bound: Lower confidence bound of the precision, by the bootstrap over trajectories.
        recall: In [0, 1].
        reached: Whether precision (its bound) reaches what was asked for; where no threshold does, this one comes
            nearest.
        signal: Share of trajectories that it ends in a state in which the goal holds, in [0, 1].
    """

    beta: float
    precision: float
    precision_bound: float
    recall: float
    reached: bool
    signal: float


def choose_threshold(
    scores: np.ndarray,
    labels: np.ndarray,
    clusters: np.ndarray,
    precision: float,
    confidence: float = 0.9,
    candidates: int = 200,
    resamples: int = 500,
    seed: int = 0,
) -> ThresholdChoice:
    """Return the threshold of most recall whose precision is high enough.

    False positives hurt an agent most: it learns to stay where they are. The best point of a curve is chosen among
    many, which flatters its precision; asking for a lower confidence bound instead of the point itself makes up for
    that on states not seen here.

    Args:
        scores: float32 (N,).
        labels: bool (N,).
        clusters: int (N,), the trajectory of each state.
        precision: To reach, in (0, 1].
        confidence: Confidence of the one-sided bound on the precision, in (0, 1); 0 takes the precision itself.
        candidates: Thresholds tried, evenly spread over recall.
        resamples: Resamples of the bootstrap.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: Scores and labels do not fit, or there are no positive or no negative labels.
    """
    curve = precision_recall_curve(scores, labels).thinned(candidates)
    scores, betas = np.asarray(scores, np.float32), _between(curve.betas, scores)
    bounds = curve.precision
    if confidence > 0:
        rewarded = scores[:, None] > betas[None, :]
        resampled, _ = bootstrap_precision_recall(rewarded, labels, clusters, resamples, seed)
        # A resample in which nothing fires says nothing good about the threshold.
        bounds = np.quantile(np.nan_to_num(resampled, nan=0.0), 1 - confidence, axis=0)
    good = bounds >= precision
    if good.any():
        best = int(np.flatnonzero(good)[curve.recall[good].argmax()])
    else:
        best = int(np.lexsort((curve.recall, bounds))[-1])
    point, recall = precision_and_recall(scores > betas[best], labels)
    ((signal, _),) = paid_shares(scores, labels, clusters, betas[best : best + 1])
    return ThresholdChoice(
        float(betas[best]), float(point), float(bounds[best]), float(recall), bool(good.any()), float(signal)
    )


def choose_by_signal(
    scores: np.ndarray, labels: np.ndarray, clusters: np.ndarray, candidates: int = 200
) -> ThresholdChoice:
    """Return the threshold that ends most trajectories rightly.

    That is the share of episodes that are paid times the precision of what is paid: what an agent can learn from,
    where precision alone says nothing of how seldom it is paid. Nothing is asked for, so `reached` is always true.

    Args:
        scores: float32 (N,), the states of a trajectory in order.
        labels: bool (N,).
        clusters: int (N,), the trajectory of each state.
        candidates: Thresholds tried, evenly spread over recall.

    Raises:
        ConfigError: Scores and labels do not fit, or there are no positive or no negative labels.
    """
    curve = precision_recall_curve(scores, labels).thinned(candidates)
    scores, betas = np.asarray(scores, np.float32), _between(curve.betas, scores)
    signals = paid_shares(scores, labels, clusters, betas)[:, 0]
    # Of equals the strictest: it pays less that is false.
    best = int(np.lexsort((betas, signals))[-1])
    point, recall = precision_and_recall(scores > betas[best], labels)
    return ThresholdChoice(float(betas[best]), float(point), float(point), float(recall), True, float(signals[best]))


def _between(betas: npt.NDArray[np.float32], scores: np.ndarray) -> npt.NDArray[np.float32]:
    """Move each threshold halfway to the next lower score, clear of the scores on either side."""
    distinct = np.unique(np.asarray(scores, np.float32))
    below = np.searchsorted(distinct, betas, side="right") - 1
    lower = np.where(below >= 0, distinct[np.maximum(below, 0)], np.minimum(betas, np.float32(0)))
    middle = (betas.astype(np.float64) + lower) / 2
    return middle.astype(np.float32)


def softmax_scores(
    images: np.ndarray, goal_texts: dict[str, np.ndarray], goal_ids: np.ndarray, taus: Sequence[float]
) -> npt.NDArray[np.float32]:
    """Return the scores of equation 1 for many temperatures at once, from one pass over the similarities.

    Args:
        images: float32 (N, D), embeddings of length 1.
        goal_texts: Embeddings of length 1, float32 (K, D), by goal id, its own prompt first, then its negatives.
        goal_ids: Strings as dtype object (N,), the goal of each frame.
        taus: T temperatures, each above 0.

    Returns:
        float32 (N, T), in [0, 1]. Equal to `softmax_binary` up to the rounding of the matrix product.

    Raises:
        ConfigError: A temperature is not above 0.
    """
    if any(tau <= 0 for tau in taus):
        raise ConfigError(f"every tau must be above 0, not {min(taus)}")
    scores = np.empty((len(images), len(taus)), np.float32)
    ids = np.asarray(goal_ids, object)
    for goal_id in dict.fromkeys(ids):
        rows = np.flatnonzero(ids == goal_id)
        similarities = np.asarray(images[rows], np.float64) @ np.asarray(goal_texts[goal_id], np.float64).T
        similarities -= similarities[:, :1]
        # Relative to the goal's own similarity: p = 1 / sum(exp(gap / tau)), and one exponential cannot overflow two.
        for column, tau in enumerate(taus):
            with np.errstate(over="ignore"):
                scores[rows, column] = 1 / np.exp(similarities / tau).sum(axis=1)
    return scores
