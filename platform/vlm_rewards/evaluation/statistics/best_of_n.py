"""What the best of n random tries is like, from more tries than n."""

import math

import numpy as np
import numpy.typing as npt


def nats_of_best_of(n: int) -> float:
    """Return how far choosing the best of n moves a distribution: its KL divergence from where it was, in nats.

    log n - (n - 1) / n, for values without ties; with ties it is an upper bound (Stiennon et al. 2020, "Learning to
    summarize from human feedback", appendix G.3; Beirami et al. 2024, theorem 1).

    Args:
        n: At least 1, for which it is 0.
    """
    return math.log(n) - (n - 1) / n


def best_of_n_weights(values: npt.ArrayLike, n: int) -> npt.NDArray[np.float64]:
    """Return the probability of each try to be the best of n that are drawn without replacement.

    The mean of anything over tries, weighted by these, is the unbiased estimate of its expectation at the best of n
    (Nakano et al. 2021, "WebGPT", appendix I). Equal values share their probability: who cannot tell them apart draws
    among them.

    Args:
        values: float (N,), what the search prefers, larger first; N of at least n.
        n: Tries that the search has, at least 1.

    Returns:
        float64 (N,), sums to 1.

    Raises:
        ValueError: There are fewer than n tries.
    """
    values = np.asarray(values, np.float64)
    if not 1 <= n <= len(values):
        raise ValueError(f"the best of {n} cannot be told from {len(values)} tries")
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    # Tries of this value or a smaller one; the best of n is among them where all n are.
    at_most = np.cumsum(counts)
    below = at_most - counts
    total = math.comb(len(values), n)
    shares = [(math.comb(int(k), n) - math.comb(int(j), n)) / total for k, j in zip(at_most, below, strict=True)]
    weights: npt.NDArray[np.float64] = (np.array(shares) / counts)[group]
    return weights
