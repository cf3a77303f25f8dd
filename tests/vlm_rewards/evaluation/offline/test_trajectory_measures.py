"""Measures over trajectories and goals, against cases counted by hand and other implementations."""

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from sklearn import metrics

from vlm_rewards.evaluation.offline.dard import dard_distance
from vlm_rewards.evaluation.offline.epic import epic_distance
from vlm_rewards.evaluation.offline.goal_confusion import goal_trajectory_confusion, pooled
from vlm_rewards.evaluation.offline.measure_figures import MEASURES, plot_goal_confusion, plot_measures
from vlm_rewards.evaluation.offline.outcomes import outcomes, paid_shares, preference_accuracy, success_gap
from vlm_rewards.evaluation.offline.precision_recall import negative_predictive_value
from vlm_rewards.evaluation.offline.progress import (
    discounted_values,
    time_kendall_tau,
    value_correlation,
    value_order_correlation,
)
from vlm_rewards.evaluation.offline.thresholds import choose_by_signal, choose_threshold

# Two trajectories that reach their goal (at their third and second state) and one that does not.
TRAJECTORY = np.array([4, 4, 4, 4, 7, 7, 9, 9, 9])
LABELS = np.array([0, 0, 1, 1, 0, 1, 0, 0, 0], bool)
GOALS = np.array(["a"] * 6 + ["b"] * 3)
SCORES = np.array([0.1, 0.5, 0.3, 0.9, 0.2, 0.8, 0.9, 0.2, 0.1])


def test_order_is_that_of_score_and_time_up_to_the_goal():
    # 0.1 0.5 0.3 has ranks 1 3 2: rho = 1 - 6 * 2 / (3 * 8) = 0.5, tau = (2 - 1) / 3. 0.2 0.8 rises.
    assert value_order_correlation(SCORES, LABELS, TRAJECTORY) == pytest.approx((0.5 + 1) / 2)
    assert time_kendall_tau(SCORES, LABELS, TRAJECTORY) == pytest.approx((1 / 3 + 1) / 2)
    assert value_order_correlation(-SCORES, LABELS, TRAJECTORY) == pytest.approx(-0.75)
    # What comes after the goal, and what a failure scores, is not asked for.
    other = SCORES.copy()
    other[[3, 6, 7, 8]] = [0.0, 0.1, 0.2, 0.9]
    assert value_order_correlation(other, LABELS, TRAJECTORY) == pytest.approx(0.75)


def test_scores_that_never_change_have_no_order_and_count_as_such():
    level = np.where(TRAJECTORY == 4, 0.5, SCORES)
    assert value_order_correlation(level, LABELS, TRAJECTORY) == pytest.approx(0.5)
    assert time_kendall_tau(level, LABELS, TRAJECTORY) == pytest.approx(0.5)
    assert np.isnan(value_order_correlation(SCORES, np.zeros(9, bool), TRAJECTORY))


def test_values_are_discounted_by_the_steps_to_the_goal():
    values = discounted_values(LABELS, TRAJECTORY, discount=0.5)
    assert values.tolist() == [0.25, 0.5, 1, 1, 0.5, 1, 0, 0, 0]
    # Steps after the goal that lose it again are worth nothing if it never comes back.
    assert discounted_values(np.array([0, 1, 0]), np.zeros(3), 0.5).tolist() == [0.5, 1, 0]


def test_value_correlations_are_those_of_scipy_within_goals():
    rng = np.random.default_rng(0)
    trajectory = np.repeat(np.arange(12), 6)
    labels = (trajectory % 3 > 0) & (np.tile(np.arange(6), 12) >= 3)
    goals = trajectory % 2
    scores = rng.random(72)
    values = discounted_values(labels, trajectory)
    expected = [
        [f(scores[goals == g], values[goals == g]).statistic for f in (stats.spearmanr, stats.kendalltau)]
        for g in (0, 1)
    ]
    assert value_correlation(scores, labels, trajectory, goals) == pytest.approx(tuple(np.mean(expected, axis=0)))
    # Goals on other scales are not compared with each other.
    assert value_correlation(values + 5.0 * goals, labels, trajectory, goals) == pytest.approx((1, 1))
    assert np.isnan(value_correlation(scores, np.zeros(72, bool), trajectory, goals)).all()


def test_gap_and_preferences_compare_the_highest_scores():
    found = outcomes(SCORES, LABELS, TRAJECTORY, np.array(["a"] * 9))
    assert found.best.tolist() == [0.9, 0.8, 0.9]
    assert found.succeeded.tolist() == [True, True, False]
    assert success_gap(found) == pytest.approx((0.9 + 0.8) / 2 - 0.9)
    # 0.9 against 0.9 is half right, 0.8 against 0.9 wrong.
    assert preference_accuracy(found) == pytest.approx(0.25)
    # Of goals with successes alone or failures alone there is no pair.
    assert np.isnan(preference_accuracy(outcomes(SCORES, LABELS, TRAJECTORY, GOALS)))
    assert np.isnan(success_gap(outcomes(SCORES, np.zeros(9), TRAJECTORY, GOALS)))


def test_an_episode_ends_rightly_where_its_first_paid_state_has_the_goal():
    found = paid_shares(SCORES, LABELS, TRAJECTORY, np.array([0.4, 0.6, 0.85, 0.9]))
    # At 0.4 the first trajectory is paid for its second state, wrongly; above 0.5 for its fourth, rightly.
    np.testing.assert_allclose(found, np.array([[1, 2], [2, 1], [1, 1], [0, 0]]) / 3)
    rng = np.random.default_rng(2)
    trajectory = rng.integers(0, 9, 80)  # rows of several in between
    scores, labels = rng.random(80).astype(np.float32), rng.random(80) < 0.4
    for beta, (rightly, wrongly) in zip(
        [0.2, 0.5, 0.8], paid_shares(scores, labels, trajectory, [0.2, 0.5, 0.8]), strict=True
    ):
        first = [np.flatnonzero((trajectory == t) & (scores > np.float32(beta)))[:1] for t in range(9)]
        assert rightly == pytest.approx(sum(labels[i].sum() for i in first) / 9)
        assert rightly + wrongly == pytest.approx(sum(len(i) for i in first) / 9)


def test_the_threshold_of_most_signal_pays_neither_too_early_nor_never():
    choice = choose_by_signal(SCORES, LABELS, TRAJECTORY)
    assert 0.5 < choice.beta < 0.8
    assert (choice.signal, choice.reached) == (pytest.approx(2 / 3), True)
    assert choice.precision == pytest.approx(2 / 3)
    assert choose_threshold(SCORES, LABELS, TRAJECTORY, precision=0.5, confidence=0).signal <= choice.signal


def test_preferences_are_the_area_under_the_curve_weighted_by_pairs():
    rng = np.random.default_rng(1)
    trajectory, goals = np.arange(60), np.repeat([0, 1, 1], 20)
    labels = rng.random(60) < 0.4
    scores = (rng.random(60) + 0.3 * labels + goals).round(1)
    expected, pairs = 0.0, 0
    for goal in (0, 1):
        right, given = labels[goals == goal], scores[goals == goal]
        count = int(right.sum() * (~right).sum())
        expected += count * metrics.roc_auc_score(right, given)
        pairs += count
    found = outcomes(scores, labels, trajectory, goals)
    assert preference_accuracy(found) == pytest.approx(expected / pairs)


def test_negative_predictive_value_is_the_precision_of_no_reward():
    rewards, labels = np.array([1, 0, 0, 0, 1]), np.array([1, 1, 0, 0, 0], bool)
    assert negative_predictive_value(rewards, labels) == pytest.approx(2 / 3)
    rng = np.random.default_rng(2)
    rewards, labels = rng.random(50) < 0.3, rng.random(50) < 0.3
    assert negative_predictive_value(rewards, labels) == pytest.approx(
        metrics.precision_score(labels, rewards, pos_label=False)
    )
    assert np.isnan(negative_predictive_value([1, 1], [True, False]))


def walk(rng, steps: int = 400):
    """States of a random walk on a ring of five, and their features."""
    states = np.cumsum(rng.choice([-1, 1], steps)) % 5
    return states, np.eye(5)[states]


def test_dard_is_that_of_a_table_of_transitions():
    rng = np.random.default_rng(3)
    first, second = rng.random(5), rng.random(5)
    # Each of three actions once in each of five states of a ring: a trajectory of two states each.
    moves = [(state, (state + move) % 5) for state in range(5) for move in (-1, 0, 2)]
    states = np.array(moves).ravel()
    trajectory = np.repeat(np.arange(len(moves)), 2)
    found = dard_distance(
        first[states], second[states], np.eye(5)[states], trajectory, np.zeros(len(states)), neighbours=3
    )
    # Equation 3 written out over the table.
    model = np.zeros((5, 5))
    np.add.at(model, tuple(np.array(moves).T), 1 / 3)
    transformed = []
    for table in (first, second):
        reward = np.tile(table, (5, 1))  # R(s, s') is that of the state reached
        follow = (model * reward).sum(axis=1)  # E[R(s, S')]
        both = np.einsum("ij,kl,jl->ik", model, model, reward)  # E[R(S', S'')], S' from s and S'' from s'
        shaped = reward + 0.9 * follow[None, :] - follow[:, None] - 0.9 * both
        transformed.append([shaped[move] for move in moves])
    assert found == pytest.approx(np.sqrt((1 - np.corrcoef(*transformed)[0, 1]) / 2))
    assert 0.1 < found < 0.9


def test_dard_by_hand():
    # Two trajectories from the same place, one to the left and one to the right; a third goes nowhere else.
    trajectory = np.array([0, 0, 1, 1, 2, 2])
    features = np.array([[0.0], [-1.0], [0.0], [1.0], [9.0], [9.5]])
    goals = np.zeros(6)
    truth = np.array([0, 0, 0, 1.0, 0, 0])
    # Two neighbours: the first two transitions share theirs, the third has its own and, by distance, one of them.
    # Truth: 0 - 1/2, 1 - 1/2, and for the third 0 - (0 + 0 or 1)/2.
    left_or_right = {
        dard_distance(truth, other, features, trajectory, goals, neighbours=2)
        for other in (truth, 3 * truth + 5, truth + np.array([0, 0, 0, 0, 7.0, 0]))
    }
    # A scale, a constant, and what only begins in a state change nothing.
    assert max(left_or_right) == pytest.approx(0, abs=1e-6)
    opposite = dard_distance(truth, -truth, features, trajectory, goals, neighbours=2)
    assert opposite == pytest.approx(1)
    assert np.isnan(dard_distance(truth, np.zeros(6), features, trajectory, goals))
    assert np.isnan(dard_distance(truth[:1], truth[:1], features[:1], trajectory[:1], goals[:1]))


def test_dard_forgives_what_an_agent_cannot_change_where_epic_does_not():
    # Far away everything pays 1 more, wherever the agent goes: no choice of actions is affected.
    rng = np.random.default_rng(5)
    near, far = walk(rng, 300), walk(rng, 300)
    states = np.concatenate([near[0], far[0]])
    features = np.concatenate([near[1], far[1] + 10])
    trajectory = np.repeat([0, 1], 300)
    goals = np.zeros(600)
    truth = (states == 2).astype(float)
    shifted = truth + 1.0 * trajectory
    assert dard_distance(truth, shifted, features, trajectory, goals) < 0.05
    assert epic_distance(truth, shifted, goals) > 0.3


def test_goals_against_trajectories():
    scores = np.array([[0.9, 0.1, 0.2], [0.5, 0.1, 0.4], [0.7, 0.7, 0.1], [0.2, 0.3, 0.3]])
    found = goal_trajectory_confusion(scores, np.array([0, 0, 1, 2]), ["a", "b", "c"])
    np.testing.assert_allclose(found.scores, [[0.7, 0.1, 0.3], [0.7, 0.7, 0.1], [0.2, 0.3, 0.3]])
    assert found.trajectories.tolist() == [2, 1, 1]
    # Own goal first: twice, once shared by two, and once more shared by two.
    assert found.own_first == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)
    assert found.gap == pytest.approx(np.mean([0.75, 0.25, 0.3, 0.05]))
    nothing = goal_trajectory_confusion(np.zeros((0, 2)), np.zeros(0), ["a", "b"])
    assert np.isnan([nothing.own_first, nothing.gap, *nothing.scores.ravel()]).all()
    assert pooled([found, nothing]) == (found.own_first, found.gap)
    assert np.isnan(pooled([nothing])).all()
    other = goal_trajectory_confusion(np.array([[0.0, 1.0]]), np.array([0]), ["a", "b"])
    assert pooled([found, other]) == pytest.approx(((4 * found.own_first + 0) / 5, (4 * found.gap - 1) / 5))


def test_figures_show_their_numbers(tmp_path):
    def measures(value):
        rows = {(m, n): dict.fromkeys(MEASURES, value) for m in ("xs", "l, $5 and $6") for n in ("goals", "both")}
        plot_measures(rows, tmp_path / "measures.png", "made of $1 and $2")
        return np.asarray(Image.open(tmp_path / "measures.png").convert("RGB"))

    low, high = measures(0.2), measures(0.8)
    assert low.shape == high.shape
    assert np.any(low != high, axis=2).mean() > 0.001

    def matrix(value):
        found = goal_trajectory_confusion(np.array([[value, 0.1], [0.1, value]]), np.array([0, 1]), ["a", "b"])
        plot_goal_confusion({"find": found}, tmp_path / "goals.png", "made")
        return np.asarray(Image.open(tmp_path / "goals.png").convert("L"), float)

    assert matrix(0.9).mean() < matrix(0.2).mean() - 1, "the diagonal darkens with the score"
