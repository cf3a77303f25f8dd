"""Equations 1 and 2 against a plain computation that shares no code and no array library with ours."""

import math
import random

import numpy as np
import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.heads import softmax_binary, threshold


def plain_probability(image: list[float], texts: list[list[float]], tau: float) -> float:
    """Equation 1 as it is written, with Python's own floats and exact sums."""
    similarities = [math.fsum(a * b for a, b in zip(image, text, strict=True)) for text in texts]
    weights = [math.exp((s - max(similarities)) / tau) for s in similarities]
    return weights[0] / math.fsum(weights)


def unit(rng: random.Random, size: int) -> list[float]:
    vector = [rng.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(math.fsum(x * x for x in vector))
    return [x / length for x in vector]


def test_probabilities_and_rewards_equal_a_plain_computation_on_2000_random_pairs():
    rng = random.Random(0)
    compared = mismatches = rewarded = 0
    while compared < 2000:
        size, goals, rows = rng.randint(2, 64), rng.randint(2, 30), rng.randint(1, 20)
        tau, beta = 10 ** rng.uniform(-2.5, 0.5), rng.choice([0.0, 0.3, 0.5, 0.9, 0.999, 1.0])
        texts = [np.float32(unit(rng, size)).tolist() for _ in range(goals)]
        # Half of the images lie near the goal, so that both rewards occur.
        images = []
        for _ in range(rows):
            noise, near = unit(rng, size), rng.random() < 0.5
            mixed = [n + 2 * g for n, g in zip(noise, texts[0], strict=True)] if near else noise
            length = math.sqrt(math.fsum(x * x for x in mixed))
            images.append(np.float32([x / length for x in mixed]).tolist())
        probabilities = softmax_binary(np.float32(images), np.float32(texts), tau)
        rewards = threshold(probabilities, beta)
        assert probabilities.dtype == rewards.dtype == np.float32
        for image, probability, reward in zip(images, probabilities, rewards, strict=True):
            expected = plain_probability(image, texts, tau)
            assert probability == pytest.approx(expected, rel=1e-6, abs=1e-12)
            # Where float32 can tell expected and beta apart, the reward must be the plain one.
            if abs(expected - beta) > 1e-6:
                mismatches += reward != (1.0 if expected > beta else 0.0)
                rewarded += reward == 1.0
            compared += 1
    assert mismatches == 0
    assert 200 < rewarded < 1800


def test_a_row_does_not_depend_on_the_rows_beside_it():
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(64, 33)).astype(np.float32), rng.normal(size=(9, 33)).astype(np.float32)
    together = softmax_binary(images, texts, 0.07)
    for row in range(64):
        np.testing.assert_array_equal(softmax_binary(images[row : row + 1], texts, 0.07), together[row : row + 1])


def test_tiny_temperatures_and_opposite_vectors_stay_finite():
    images = np.float32([[1, 0], [-1, 0]])
    texts = np.float32([[1, 0], [-1, 0]])
    np.testing.assert_array_equal(softmax_binary(images, texts, 1e-6), np.float32([1, 0]))


def test_no_frames_give_no_probabilities():
    assert softmax_binary(np.zeros((0, 4), np.float32), np.ones((3, 4), np.float32), 0.1).shape == (0,)


def test_the_threshold_is_strict():
    np.testing.assert_array_equal(threshold([0.49, 0.5, 0.51], 0.5), np.float32([0, 0, 1]))
    # float32(0.1) lies above 0.1: equality must not pass by rounding.
    np.testing.assert_array_equal(threshold(np.float32([0.1, 0.7, 0.9]), 0.1), np.float32([0, 1, 1]))
    np.testing.assert_array_equal(threshold(np.float32([1.0]), 1.0), np.float32([0]))


@pytest.mark.parametrize("tau", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_that_cannot_divide_is_refused(tau):
    with pytest.raises(ConfigError, match="tau must be a finite number above 0"):
        softmax_binary(np.ones((1, 2), np.float32), np.ones((2, 2), np.float32), tau)


@pytest.mark.parametrize("beta", [-0.01, 1.01, math.nan])
def test_a_threshold_outside_the_unit_interval_is_refused(beta):
    with pytest.raises(ConfigError, match=r"beta must lie in \[0, 1\]"):
        threshold(np.float32([0.5]), beta)
