import numpy as np
import pytest
from sklearn import metrics

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline.calibration_error import expected_calibration_error
from vlm_rewards.evaluation.offline.confusion import GoalConfusion, worst_first
from vlm_rewards.evaluation.offline.epic import canonical_rewards, epic_distance, pearson_distance
from vlm_rewards.evaluation.offline.precision_recall import (
    average_precision,
    precision_and_recall,
    precision_recall_curve,
)
from vlm_rewards.evaluation.offline.roc import roc_curve
from vlm_rewards.heads import threshold


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    labels = rng.random(400) < 0.2
    # Rounded, so that many states share a score.
    scores = np.clip(labels * 0.3 + rng.random(400) * 0.7, 0, 1).round(2).astype(np.float32)
    return scores, labels


def test_the_curve_is_what_the_reward_of_equation_2_does_at_each_beta(scored):
    scores, labels = scored
    curve = precision_recall_curve(scores, labels)
    assert len(curve.betas) == len(np.unique(scores))
    assert (np.diff(curve.betas) > 0).all()
    for beta, precision, recall in zip(curve.betas, curve.precision, curve.recall, strict=True):
        # The least score may be 0, which no beta that equation 2 allows lets pass.
        rewards = threshold(scores, float(beta)) if beta >= 0 else scores > beta
        assert precision_and_recall(rewards, labels) == (pytest.approx(precision), pytest.approx(recall))


def test_average_precision_and_area_are_known_for_small_cases():
    assert average_precision([0.9, 0.8, 0.1], [True, True, False]) == 1.0
    # Ranks 1 and 3 are positive: (1/1 + 2/3) / 2.
    assert average_precision([0.9, 0.8, 0.7, 0.1], [True, False, True, False]) == pytest.approx(5 / 6)
    assert roc_curve([0.9, 0.8, 0.7, 0.1], [True, False, True, False]).area == pytest.approx(3 / 4)
    assert roc_curve([0.5, 0.5], [True, False]).area == 0.5


def test_recall_at_a_precision_and_thinning_keep_the_curve(scored):
    curve = precision_recall_curve(*scored)
    good = curve.precision >= 0.5
    assert curve.recall_at(0.5) == curve.recall[good].max() > 0
    assert curve.recall_at(1.01) == 0
    thin = curve.thinned(10)
    assert len(thin.betas) <= 12
    assert set(thin.betas) <= set(curve.betas)
    assert thin.recall[0] == curve.recall[0]
    assert thin.recall[-1] == curve.recall[-1]


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.1, 0.2], [True], "of one length"),
        ([0.1, np.nan], [True, False], "not finite"),
        ([0.1, 0.2], [False, False], "no state has reached"),
        ([0.1, 0.2], [True, True], "every state has reached"),
    ],
)
def test_labels_without_meaning_are_refused(scores, labels, message):
    with pytest.raises(ConfigError, match=message):
        precision_recall_curve(scores, labels)


def test_nothing_rewarded_has_no_precision():
    precision, recall = precision_and_recall([0, 0], [True, False])
    assert np.isnan(precision)
    assert recall == 0


def test_calibration_error_is_the_weighted_gap():
    # Ten states at 0.85, of which six are right; ten at 0.05, of which none is.
    scores = np.repeat([0.85, 0.05], 10)
    labels = np.r_[np.ones(6), np.zeros(14)] > 0
    result = expected_calibration_error(scores, labels, bins=10)
    assert result.error == pytest.approx(0.5 * 0.25 + 0.5 * 0.05)
    assert result.counts.sum() == 20
    rng = np.random.default_rng(0)
    honest = rng.random(20_000)
    assert expected_calibration_error(honest, rng.random(20_000) < honest).error < 0.02
    assert np.isnan(expected_calibration_error([1.2, 0.1], [True, False]).error)


def test_pearson_distance_has_its_three_fixed_points():
    values = np.random.default_rng(0).normal(size=1000)
    other = np.random.default_rng(1).normal(size=1000)
    assert pearson_distance(values, 3 * values + 2) == pytest.approx(0, abs=1e-6)
    assert pearson_distance(values, -values) == pytest.approx(1)
    assert pearson_distance(values, other) == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert np.isnan(pearson_distance(values, np.ones(1000)))


def test_canonical_rewards_do_not_see_potential_shaping():
    rng = np.random.default_rng(0)
    states, discount = 6, 0.9
    reward, potential = rng.normal(size=(states, states)), rng.normal(size=states)
    shaped = reward + discount * potential[None, :] - potential[:, None]
    s, t = np.meshgrid(np.arange(states), np.arange(states), indexing="ij")

    def canonical(r):
        mean_from = r.mean(axis=1)
        return canonical_rewards(r[s, t], mean_from[t], mean_from[s], r.mean(), discount)

    np.testing.assert_allclose(canonical(reward), canonical(shaped), atol=1e-12)
    assert np.abs(reward - shaped).max() > 1


def test_epic_distance_compares_within_goals():
    goals = np.repeat(["a", "b"], 50)
    truth = np.tile(np.r_[np.zeros(40), np.ones(10)], 2)
    assert epic_distance(truth, truth, goals) == pytest.approx(0, abs=1e-6)
    # A reward that is larger for one goal throughout is the same reward.
    assert epic_distance(truth + 5 * (goals == "a"), truth, goals) == pytest.approx(0, abs=1e-6)
    half = truth.copy()
    half[:50] = 0
    expected = np.sqrt((1 - np.sqrt(0.5)) / 2)
    assert epic_distance(half, truth, goals) == pytest.approx(expected)
    assert epic_distance(half, truth, goals, discount=0.5) == pytest.approx(expected)
    assert np.isnan(epic_distance(np.zeros(100), truth, goals))


def test_confusion_names_the_negative_that_wins():
    texts = np.eye(3, dtype=np.float32)
    images = np.array([[1, 0, 0], [0, 0, 1], [0.6, 0.8, 0], [1, 0.1, 0]], np.float32)
    goal = GoalConfusion("mug")
    labels = np.array([True, True, True, False])
    goal.add(images, texts, ("a mug", "a ball", "a wall"), labels, np.array([True, False, False, True]))
    assert (goal.states, goal.positives, goal.missed, goal.false_positives) == (4, 3, 2, 1)
    assert goal.winners == {"a ball": 1, "a wall": 1}
    assert goal.runners_up == {"a ball": 1}
    assert goal.row()["most_frequent_runner_up"] == "a ball"
    assert GoalConfusion("none").row()["most_frequent_winner"] == ""
    assert worst_first([GoalConfusion("a", missed=5), goal])[0] is goal


def test_curve_agrees_with_scikit_learn(scored):
    scores, labels = scored
    assert average_precision(scores, labels) == pytest.approx(metrics.average_precision_score(labels, scores))
    assert roc_curve(scores, labels).area == pytest.approx(metrics.roc_auc_score(labels, scores))
