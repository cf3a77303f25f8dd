"""Curves of trials with different step grids, their bands, and how well one return tells another."""

import numpy as np
import pytest

from vlm_rewards.evaluation.statistics import (
    Curve,
    band_over_seeds,
    stratified_bootstrap,
    success_over_seeds,
    training_agreement,
)


def curve(steps, values):
    return Curve(np.array(steps, np.float64), np.array(values, np.float64))


def test_seeds_with_other_steps_are_read_off_a_grid_within_the_range_they_share():
    band = band_over_seeds([curve([0, 100], [0.0, 1.0]), curve([20, 60, 140], [0.2, 0.6, 1.4])])
    assert (band.steps[0], band.steps[-1]) == (20, 100)
    np.testing.assert_allclose(band.value, band.steps / 100)
    np.testing.assert_allclose(band.low, band.high)


def test_the_band_of_several_seeds_is_the_bootstrap_of_their_interquartile_mean():
    ends = (0.1, 0.4, 0.5, 0.6, 0.9)
    band = band_over_seeds([curve([0, 10], [value, value / 2]) for value in ends])
    np.testing.assert_allclose([band.value[0], band.value[-1]], [0.5, 0.25])
    low, high = stratified_bootstrap([np.array(ends)])
    np.testing.assert_allclose([band.low[0], band.high[0]], [low, high])
    np.testing.assert_allclose([band.low[-1], band.high[-1]], [low / 2, high / 2])
    assert "IQM" in band.kind


def test_two_seeds_show_their_range_and_one_seed_shows_none():
    two = band_over_seeds([curve([0, 10], [0.2, 0.4]), curve([0, 10], [0.4, 0.4])])
    assert (two.low[0], two.high[0], two.kind) == (0.2, 0.4, "mean and range of two seeds")
    one = band_over_seeds([curve([0, 7, 10], [0.2, 0.3, 0.4])])
    assert one.steps.tolist() == [0, 7, 10]
    assert one.low.tolist() == one.value.tolist() == one.high.tolist()


def test_three_seeds_span_their_range_and_stay_within_0_and_1():
    found = success_over_seeds([(0.0, 0, 0.1), (0.1, 0, 0.2), (0.9, 0.8, 1.0)])
    # Of 27 resamples one holds the lowest seed alone: 3.7 %.
    assert (found.low, found.high) == pytest.approx((0.0, 0.9))
    assert found.value == pytest.approx(1 / 3)


def test_one_seed_has_the_interval_over_its_episodes():
    found = success_over_seeds([(0.5, 0.4, 0.6)])
    assert (found.low, found.high, found.kind) == (0.4, 0.6, "one seed, 95 % Wilson over episodes")
    assert success_over_seeds([]) is None


def test_curves_that_share_no_range_have_no_band():
    assert band_over_seeds([curve([0, 10], [0, 0]), curve([20, 30], [0, 0])]) is None
    assert band_over_seeds([]) is None


def test_a_band_of_running_means_has_no_steps_between_points():
    noisy = curve([0, 10, 20, 30], [0.0, 1.0, 0.0, 1.0])
    band = band_over_seeds([noisy, noisy], window=20.0)
    own = noisy.at(noisy.steps, 20.0)
    np.testing.assert_allclose(band.value, np.interp(band.steps, noisy.steps, own))


def test_a_running_mean_is_over_the_points_within_its_window():
    noisy = curve([0, 10, 20, 30], [0.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(noisy.at(np.array([10.0, 15.0]), 20.0), [1 / 3, 0.5])
    # No point is near enough: interpolated.
    np.testing.assert_allclose(noisy.at(np.array([15.0]), 4.0), [0.5])


def test_agreement_pairs_each_evaluation_with_the_training_around_it():
    steps = np.arange(1, 101) * 100
    rng = np.random.default_rng(0)
    vlm = curve(steps, steps / 10_000 + rng.normal(size=100) * 0.05)
    rising = curve([2000, 4000, 6000, 8000, 10_000], [0.1, 0.2, 0.35, 0.4, 0.6])
    found = training_agreement(vlm, rising)
    assert found.pearson > 0.95
    assert (found.spearman, found.points) == (pytest.approx(1.0), 5)
    falling = curve(rising.steps, rising.values[::-1])
    assert training_agreement(vlm, falling).spearman == pytest.approx(-1.0)


def test_evaluations_outside_training_are_left_out_of_the_agreement():
    vlm = curve([1000, 2000, 3000, 4000], [0.1, 0.2, 0.3, 0.4])
    before = curve([-5000, 1000, 2000, 3000, 4000], [0.9, 0.1, 0.2, 0.3, 0.4])
    assert training_agreement(vlm, before).points == 4
    assert training_agreement(vlm, curve([1000, 2000], [0.1, 0.2])) is None


def test_a_return_that_never_changes_has_no_correlation():
    vlm = curve([1000, 2000, 3000], [0.1, 0.2, 0.3])
    assert np.isnan(training_agreement(vlm, curve([1000, 2000, 3000], [0.0, 0.0, 0.0])).pearson)
