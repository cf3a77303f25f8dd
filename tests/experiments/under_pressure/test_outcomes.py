"""What a reward makes of recorded episodes, against going through them state by state."""

import numpy as np
import pytest

from experiments.under_pressure.films import worst_false_positives
from experiments.under_pressure.levels import RANDOM, Intervals, Level, best_of_n_levels
from experiments.under_pressure.outcomes import Episodes, outcomes, true_outcomes

GAMMA, BETA = 0.9, 0.5


def made(seed: int, shape=(3, 20, 7)) -> tuple[Episodes, np.ndarray]:
    rng = np.random.default_rng(seed)
    achieved = rng.random(shape) < 0.15
    scores = np.where(rng.random(shape) < 0.1, rng.random(shape), achieved * rng.random(shape)).astype(np.float32)
    return Episodes(achieved, np.logical_or.accumulate(achieved, axis=-1)), scores


def one_by_one(achieved: np.ndarray, scores: np.ndarray) -> tuple[bool, bool, bool, float]:
    for t, score in enumerate(scores):
        if score > BETA:
            return True, bool(achieved[t]), bool(achieved[: t + 1].any()), 1 + GAMMA**t
    return False, False, bool(achieved.any()), float(scores.max())


def test_an_episode_ends_at_the_first_state_that_is_paid():
    episodes, scores = made(0)
    found = outcomes(episodes, scores, BETA, GAMMA)
    for index in np.ndindex(scores.shape[:2]):
        expected = one_by_one(episodes.achieved[index], scores[index])
        assert (found.paid[index], found.true[index], found.truth[index]) == expected[:3]
        assert found.value[index] == pytest.approx(expected[3])
    assert found.paid.any()
    assert (found.paid & ~found.true).any()
    assert (~found.paid).any()


def test_the_truth_pays_nothing_false():
    episodes, _ = made(1)
    found = true_outcomes(episodes, GAMMA)
    np.testing.assert_array_equal(found.paid, episodes.achieved.any(axis=-1))
    np.testing.assert_array_equal(found.paid, found.true)
    np.testing.assert_array_equal(found.paid, found.truth)


def test_levels_are_means_over_many_draws_of_n():
    episodes, scores = made(2)
    found = outcomes(episodes, scores, BETA, GAMMA)
    rng, draws = np.random.default_rng(0), 2000
    for level in best_of_n_levels(found, [1, 5, 20]):
        for start in range(3):
            kept = np.zeros(3)
            for _ in range(draws):
                drawn = rng.choice(20, level.tries, replace=False)
                # Equal values: which is picked is drawn.
                best = max(drawn, key=lambda i: (found.value[start, i], rng.random()))
                kept += [found.paid[start, best], found.true[start, best], found.truth[start, best]]
            np.testing.assert_allclose(level.shares[start], kept / draws, atol=0.05)


def test_a_row_says_what_is_paid_what_is_true_and_what_is_kept():
    ours = Level(RANDOM, 4, 1.0, np.array([[1.0, 0.5, 0.75], [0.5, 0.25, 0.25]]))
    best = Level(RANDOM, 4, 1.0, np.array([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5]]))
    row = Intervals(500).row(ours, best)
    assert (row["reward"], row["truth"], row["true_reward"]) == (0.75, 0.5, 0.375)
    assert (row["precision"], row["kept"]) == (0.5, 0.5)
    # Each start alone has the same ratios, so every resample does.
    assert (row["kept_low"], row["kept_high"]) == pytest.approx((0.5, 0.5))
    assert row["reward_low"] == pytest.approx(0.5)
    assert Intervals(500).ratio(best, ours) == pytest.approx((2, 2, 2))


def test_a_reward_that_pays_nothing_keeps_nothing_and_has_no_precision():
    silent = Level(RANDOM, 4, 1.0, np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5]]))
    best = Level(RANDOM, 4, 1.0, np.ones((2, 3)))
    row = Intervals(100).row(silent, best)
    assert row["kept"] == 0
    assert np.isnan([row["precision"], row["precision_low"]]).all()
    assert np.isnan(Intervals(100).row(best, silent)["kept"]), "of nothing no share can be kept"


def test_the_worst_false_positives_are_those_that_searches_pick_soonest_paid_first():
    achieved = np.zeros((3, 2, 4), bool)
    achieved[2, :, 0] = True
    scores = np.zeros((3, 2, 4), np.float32)
    scores[0, 1, 2] = scores[1, 0, 1] = scores[2, 0, 0] = 0.9
    episodes = Episodes(achieved, np.logical_or.accumulate(achieved, axis=-1))
    found = outcomes(episodes, scores, BETA, GAMMA)
    assert worst_false_positives(found, 5) == [(1, 0), (0, 1)]
    assert worst_false_positives(found, 1) == [(1, 0)]
