import numpy as np
import pytest
from sklearn import metrics

from vlm_rewards.evaluation.offline.cluster_bootstrap import (
    bootstrap_average_precision,
    bootstrap_precision_recall,
    percentile_interval,
    resampled_counts,
)
from vlm_rewards.evaluation.offline.measures import measure
from vlm_rewards.evaluation.offline.thresholds import choose_threshold, softmax_scores
from vlm_rewards.heads import softmax_binary


@pytest.fixture
def scored():
    """Eighty trajectories of ten states; a trajectory's states are much alike."""
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(80), 10)
    ease = np.repeat(rng.random(80), 10)
    labels = np.repeat(rng.random(80) < 0.4, 10) & (np.tile(np.arange(10), 80) > 4)
    scores = (0.5 * ease + 0.4 * labels + 0.1 * rng.random(800)).round(3).astype(np.float32)
    return scores, labels, clusters


def test_resamples_of_average_precision_are_weighted_average_precisions(scored):
    scores, labels, clusters = scored
    values = bootstrap_average_precision(scores, labels, clusters, resamples=20, seed=5)
    for drawn, value in zip(resampled_counts(80, 20, 5), values, strict=True):
        weights = drawn[clusters].astype(float)
        assert value == pytest.approx(metrics.average_precision_score(labels, scores, sample_weight=weights))


def test_resamples_of_precision_and_recall_repeat_whole_trajectories(scored):
    scores, labels, clusters = scored
    betas = np.array([0.4, 0.6])
    precision, recall = bootstrap_precision_recall(scores[:, None] > betas, labels, clusters, 30, seed=2)
    drawn = resampled_counts(80, 30, 2)[7]
    rows = np.repeat(np.arange(800), drawn[clusters])
    fired = scores[rows] > 0.6
    assert precision[7, 1] == pytest.approx(labels[rows][fired].mean())
    assert recall[7, 1] == pytest.approx(fired[labels[rows]].mean())
    alone, _ = bootstrap_precision_recall(scores > 0.6, labels, clusters, 30, seed=2)
    np.testing.assert_array_equal(alone, precision[:, 1])


def test_frames_of_one_trajectory_are_not_taken_for_independent(scored):
    scores, labels, clusters = scored
    by_trajectory = percentile_interval(bootstrap_average_precision(scores, labels, clusters, 300))
    by_frame = percentile_interval(bootstrap_average_precision(scores, labels, np.arange(800), 300))
    assert by_trajectory.high - by_trajectory.low > 1.3 * (by_frame.high - by_frame.low)


def test_undefined_resamples_are_left_out():
    interval = percentile_interval(np.array([np.nan, 0.0, 1.0]), confidence=0.5)
    assert (interval.low, interval.high) == (0.25, 0.75)
    assert np.isnan(percentile_interval(np.array([np.nan])).low)


def test_threshold_takes_the_most_recall_that_is_precise_enough(scored):
    scores, labels, clusters = scored
    plain = choose_threshold(scores, labels, clusters, precision=0.8, confidence=0)
    fired = scores > np.float32(plain.beta)
    assert plain.reached
    assert labels[fired].mean() == pytest.approx(plain.precision)
    assert plain.precision >= 0.8
    for beta in np.unique(scores):
        wider = scores > beta
        if wider.any() and labels[wider].mean() >= 0.8:
            assert (wider & labels).sum() <= (fired & labels).sum() + 0.005 * labels.sum()
    careful = choose_threshold(scores, labels, clusters, precision=0.8, confidence=0.9)
    assert careful.recall <= plain.recall
    assert careful.precision_bound <= careful.precision
    assert not np.isin(np.float32(careful.beta), scores), "a threshold stands between scores"


def test_threshold_that_no_beta_reaches_is_said_to_be_so(scored):
    scores, labels, clusters = scored
    choice = choose_threshold(-scores, labels, clusters, precision=0.99)
    assert not choice.reached
    assert choice.precision < 0.99


def test_softmax_over_many_temperatures_is_equation_1():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(20, 8))
    texts = {name: rng.normal(size=(k, 8)) for name, k in (("a", 4), ("b", 9))}
    images, texts = ((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in (images, texts["a"]))
    goal_texts = {"a": texts, "b": texts[::-1]}
    goals = np.array(["a", "b"] * 10, object)
    scores = softmax_scores(images, goal_texts, goals, [0.01, 0.3])
    for column, tau in enumerate([0.01, 0.3]):
        for goal in "ab":
            rows = goals == goal
            np.testing.assert_allclose(
                scores[rows, column], softmax_binary(images[rows], goal_texts[goal], tau), rtol=1e-4, atol=1e-7
            )


def test_measures_agree_with_their_parts(scored):
    from vlm_rewards.evaluation.offline.dataset import States

    scores, labels, clusters = scored
    goal_ids = np.array([f"goal{c % 4}" for c in clusters], object)
    states = States(clusters, np.tile(np.arange(10), 80), goal_ids, goal_ids, None, labels)
    found = measure(scores, states, beta=0.6, resamples=100)
    row = found.row()
    assert row["average_precision_low"] < row["average_precision"] < row["average_precision_high"]
    assert row["precision"] == pytest.approx(labels[scores > 0.6].mean())
    assert row["precision_low"] <= row["precision"] <= row["precision_high"]
    assert 0 < row["epic_distance"] < np.sqrt(0.5)
    assert (row["states"], row["trajectories"], row["positives"]) == (800, 80, labels.sum())
