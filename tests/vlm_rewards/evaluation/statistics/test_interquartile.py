"""Interquartile means and their bootstrap intervals against counting by hand and against scipy's own bootstrap."""

import itertools

import numpy as np
import pytest
from scipy import stats

from vlm_rewards.evaluation.statistics import interquartile_mean, stratified_bootstrap, success_over_tasks


def test_the_lowest_and_the_highest_quarter_do_not_count():
    assert interquartile_mean(np.array([0.9, 0.1, 0.4, 0.6])) == pytest.approx(0.5)
    assert interquartile_mean(np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 100.0])) == pytest.approx(0.35)
    # A quarter of three is less than one value.
    assert interquartile_mean(np.array([0.0, 0.0, 0.9])) == pytest.approx(0.3)


def test_the_interval_of_one_stratum_is_that_of_scipy():
    values = np.random.default_rng(4).uniform(size=9)
    low, high = stratified_bootstrap([values], resamples=40_000)
    independent = stats.bootstrap(
        (values,),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        n_resamples=40_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (low, high) == pytest.approx((independent.low, independent.high), abs=0.006)


def test_strata_are_drawn_apart():
    # Each of the 4 * 27 equally likely pairs of resamples, counted.
    first, second = np.array([0.0, 0.4]), np.array([0.6, 0.8, 1.0])
    means = [
        float(interquartile_mean(np.array(a + b)))
        for a in itertools.product(first, repeat=2)
        for b in itertools.product(second, repeat=3)
    ]
    low, high = stratified_bootstrap([first, second], resamples=60_000)
    expected = np.quantile(means, [0.025, 0.975], method="inverted_cdf")
    assert (low, high) == pytest.approx(tuple(expected), abs=1e-9)
    # Drawn from one pot, resamples of the first task alone would occur, and the interval would begin lower.
    pooled, _ = stratified_bootstrap([np.concatenate([first, second])], resamples=60_000)
    assert pooled < low - 0.05


def test_a_curve_is_drawn_whole():
    # Two seeds that cross: at each point one is high and one is low. Points drawn apart would hide that none is ever
    # resampled without the other; drawn whole, the interval of the sum of both points has no width.
    crossing = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    low, high = stratified_bootstrap([np.column_stack([crossing, crossing.sum(1)])])
    assert (low[2], high[2]) == (1.0, 1.0)
    assert high[0] - low[0] == high[1] - low[1] == 1.0


def test_all_tasks_together_need_three_seeds_of_each():
    found = success_over_tasks([[0.1, 0.2, 0.3], [0.7, 0.8, 0.9, 1.0]])
    assert found.value == pytest.approx(np.mean([0.2, 0.3, 0.7, 0.8, 0.9]))
    assert found.low < found.value < found.high
    assert (found.seeds, found.kind) == (7, "IQM over seeds, 95 % stratified bootstrap")
    assert success_over_tasks([[0.1, 0.2, 0.3], [0.7, 0.8]]) is None
    assert success_over_tasks([[0.1, 0.2, 0.3]]) is None
