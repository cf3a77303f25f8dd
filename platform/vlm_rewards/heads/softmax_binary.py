"""The paper's reward form: a softmax over goals (equation 1), then a threshold (equation 2)."""

import math

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError


def check_temperature(tau: float) -> float:
    """Return `tau` if it can divide similarities.

    Raises:
        ConfigError: Not a finite number above 0.
    """
    if not (math.isfinite(tau) and tau > 0):
        raise ConfigError(f"tau must be a finite number above 0, not {tau}; values near 0.01 to 0.1 are usual")
    return float(tau)


def check_threshold(beta: float) -> float:
    """Return `beta` if it can be compared with a probability.

    Raises:
        ConfigError: Outside [0, 1].
    """
    if not 0 <= beta <= 1:
        raise ConfigError(f"beta must lie in [0, 1], not {beta}; it is compared with a probability")
    return float(beta)


def softmax_binary(images: np.ndarray, texts: np.ndarray, tau: float) -> npt.NDArray[np.float32]:
    """Return the probability of the goal against its negatives, equation 1.

    Computed in float64. One row's result does not depend on the other rows: the dot products are summed in a fixed
    order, which a matrix product that picks its kernel by shape would not promise.

    Args:
        images: float (N, D) embeddings f(o), L2-normalised.
        texts: float (K, D) embeddings g(l) of the set L, L2-normalised; row 0 is the goal, the rest its negatives.
        tau: Temperature, above 0.

    Returns:
        float32 (N,), in [0, 1].

    Raises:
        ConfigError: Tau is not above 0.
    """
    return softmax_of(similarities(images, texts), tau)


def similarities(images: np.ndarray, texts: np.ndarray) -> npt.NDArray[np.float64]:
    """Return the dot products of all images with all texts, float64 (N, K); in [-1, 1] for embeddings of length 1.

    Each is summed in a fixed order, whatever else is in the call.
    """
    products: npt.NDArray[np.float64] = np.einsum(
        "nd,kd->nk", np.asarray(images, np.float64), np.asarray(texts, np.float64), optimize=False
    )
    return products


def softmax_of(values: npt.NDArray[np.float64], tau: float) -> npt.NDArray[np.float32]:
    """Return the softmax weight of the first column, equation 1.

    Args:
        values: float64 (N, K) similarities of images with the set L, in [-1, 1], C-contiguous; column 0 is the goal's.
        tau: Temperature, above 0.

    Returns:
        float32 (N,), in [0, 1].

    Raises:
        ConfigError: tau is not above 0.
    """
    logits = values / check_temperature(tau)
    # Subtracting the largest logit leaves the ratio as it is and keeps exp() from overflowing.
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: npt.NDArray[np.float32] = (weights[:, 0] / weights.sum(axis=1)).astype(np.float32)
    return result


def threshold(probabilities: npt.ArrayLike, beta: float) -> npt.NDArray[np.float32]:
    """Reward r = 1 if p > beta, else 0, equation 2.

    Args:
        probabilities: float (N,), p(goal), in [0, 1].
        beta: Threshold, in [0, 1]. It is rounded to float32 first, as the probabilities are, so that a probability
            equal to beta never passes because of the rounding alone.

    Returns:
        float32 (N,), each 0 or 1.

    Raises:
        ConfigError: Beta lies outside [0, 1].
    """
    limit = np.float32(check_threshold(beta))
    return (np.asarray(probabilities, np.float32) > limit).astype(np.float32)
