"""The best of n against every way to draw n."""

import itertools
import math

import numpy as np
import pytest

from vlm_rewards.evaluation.statistics import best_of_n_weights, nats_of_best_of


def by_enumeration(values: list[float], n: int) -> np.ndarray:
    """The share of all draws in which each is the best; equal ones share."""
    found, draws = np.zeros(len(values)), list(itertools.combinations(range(len(values)), n))
    for drawn in draws:
        best = [index for index in drawn if values[index] == max(values[other] for other in drawn)]
        found[best] += 1 / len(best)
    return found / len(draws)


@pytest.mark.parametrize("values", [[3, 1, 2, 5, 4], [0, 0, 0, 1, 1], [2, 2, 2, 2], [1, 0, 0.5, 0.5, 1, 0, 0]])
def test_weights_are_the_shares_of_all_draws(values):
    for n in range(1, len(values) + 1):
        weights = best_of_n_weights(values, n)
        np.testing.assert_allclose(weights, by_enumeration(values, n), atol=1e-12)
        assert weights.sum() == pytest.approx(1)


def test_one_try_is_the_mean_and_all_tries_the_best():
    values = np.random.default_rng(0).random(64)
    np.testing.assert_allclose(best_of_n_weights(values, 1), 1 / 64)
    assert best_of_n_weights(values, 64)[values.argmax()] == pytest.approx(1)


@pytest.mark.parametrize("n", [0, 4])
def test_more_tries_than_there_are_say_nothing(n):
    with pytest.raises(ValueError, match=f"the best of {n} cannot be told from 3 tries"):
        best_of_n_weights([1, 2, 3], n)


def test_nats_are_the_divergence_of_the_best_of_n_from_a_single_try():
    """Of the best of n uniform draws the density is n x^(n-1): its divergence, integrated numerically."""
    x = (np.arange(100_000) + 0.5) / 100_000
    for n in (1, 2, 4, 64):
        log_density = np.log(n) + (n - 1) * np.log(x)
        expected = float(np.mean(np.exp(log_density) * log_density))
        assert nats_of_best_of(n) == pytest.approx(expected, abs=1e-3)
    assert nats_of_best_of(64) == pytest.approx(math.log(64) - 63 / 64)
