"""Rank correlations against scipy and against counting by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from vlm_rewards.evaluation.statistics import grouped_rank_correlation, rank_correlation, ranks_within


def test_rho_and_its_p_value_are_those_of_all_orders():
    found = rank_correlation([1, 2, 3], [[0.3, 0.1], [0.2], [0.5, 0.4]])
    x, y = [1, 1, 2, 3, 3], [0.3, 0.1, 0.2, 0.5, 0.4]
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    rhos = [abs(stats.spearmanr(x, order).statistic) for order in itertools.permutations(y)]
    assert found.p_value == pytest.approx(np.mean(np.array(rhos) >= abs(found.rho) - 1e-9))
    assert found.exact
    assert (found.trials, found.arms) == (5, 3)


def test_arms_in_perfect_order_show_no_less_than_the_number_of_orders_allows():
    found = rank_correlation([1, 2, 3, 4], [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]])
    assert found.arm_rho == pytest.approx(1.0)
    assert found.arm_p_value == pytest.approx(2 / 24)


def test_the_interval_tells_seeds_that_agree_from_seeds_that_do_not():
    sure = rank_correlation([1, 2, 3], [[0.1, 0.11], [0.4, 0.41], [0.7, 0.71]])
    unsure = rank_correlation([1, 2, 3], [[0.1, 0.6], [0.2, 0.5], [0.0, 0.7]])
    assert sure.low > 0.9
    assert unsure.low < 0 < unsure.high
    assert sure.low <= sure.rho <= sure.high + 1e-9


def test_many_trials_are_tested_with_a_sample_of_orders():
    rng = np.random.default_rng(3)
    related = rank_correlation(range(6), [[0.1 * i, 0.1 * i + 0.02] for i in range(6)])
    unrelated = rank_correlation(range(6), rng.uniform(size=(6, 2)))
    assert not related.exact
    assert 0 < related.p_value < 0.001
    assert unrelated.p_value > 0.05


def test_one_seed_an_arm_has_no_interval():
    found = rank_correlation([1, 2, 3], [[0.1], [0.2], [0.3]])
    assert (found.rho, found.p_value) == (pytest.approx(1.0), pytest.approx(2 / 6))
    assert np.isnan([found.low, found.high]).all()


def test_arms_without_trials_are_left_out_and_too_few_have_no_order():
    assert rank_correlation([1, 2, 3, 4], [[0.1], [0.2], [0.3], []]).arms == 3
    assert rank_correlation([1, 2], [[0.1], [0.2]]) is None
    assert rank_correlation([1, 2], [[0.1, 0.2, 0.3], []]) is None


def test_equal_returns_have_no_rank_correlation():
    found = rank_correlation([1, 2, 3], [[0.0, 0.0], [0.0], [0.0]])
    assert np.isnan([found.rho, found.p_value, found.arm_rho, found.low]).all()


def test_within_groups_the_order_of_the_groups_themselves_does_not_count():
    # In each group the property orders three arms rightly; the groups lie the other way round.
    groups = [([1 + g, 2 + g, 3 + g], [0.8 - 0.2 * g, 0.9 - 0.2 * g, 1 - 0.2 * g]) for g in range(4)]
    found = grouped_rank_correlation(groups)
    assert (found.rho, found.groups, found.arms) == (pytest.approx(1), 4, 12)
    pooled = stats.spearmanr(*map(np.concatenate, zip(*groups, strict=True))).statistic
    assert pooled < 0.5


def test_over_groups_it_is_the_correlation_of_their_ranks_and_groups_are_drawn():
    groups = [([1, 2, 3], [0.1, 0.2, 0.3]), ([1, 2, 3], [0.3, 0.2, 0.1]), ([1, 2], [0.4, 0.5]), ([7], [0.2])]
    found = grouped_rank_correlation(groups, resamples=500)
    # Ranks scaled to -1, 0, 1: sum of products 2 - 2 + 2, of squares 6.
    assert found.rho == pytest.approx(2 / 6)
    assert (found.low, found.high) == (pytest.approx(-1), pytest.approx(1))
    assert (found.groups, found.arms) == (3, 8)
    assert grouped_rank_correlation(groups[:2]) is None


def test_ranks_within_groups_share_ties_and_leave_out_who_is_alone():
    ranks = ranks_within(np.array([5.0, 5.0, 9.0, 1.0]), np.array(["a", "a", "a", "b"]))
    np.testing.assert_allclose(ranks, [-0.5, -0.5, 1, np.nan])
