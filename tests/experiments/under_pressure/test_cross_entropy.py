"""The scripted searcher on a reward whose answer is known."""

import numpy as np
import pytest

from experiments.under_pressure.config import CemSpec
from experiments.under_pressure.cross_entropy import CrossEntropySearch, divergence, draw
from experiments.under_pressure.outcomes import Episodes, outcomes

STEPS, ACTIONS = 6, 5
SPEC = CemSpec(starts=2, models=("m",), iterations=6, population=64)


def play(start, iteration, actions):
    """Pays where action 3 came three times in a row; it is true where action 1 came before."""
    threes = np.stack([(actions == 3)[:, max(0, t - 2) : t + 1].sum(axis=1) == 3 for t in range(STEPS)], axis=1)
    before = np.logical_or.accumulate(actions == 1, axis=1)
    return outcomes(Episodes(before, before), threes.astype(np.float32), 0.5, 0.97)


def test_it_finds_what_is_paid_whether_it_is_true_or_not():
    levels = CrossEntropySearch(SPEC, STEPS, ACTIONS, seed=0).run(play, 2)
    assert [level.tries for level in levels] == [64 * n for n in range(1, 8)]
    paid = [level.shares[:, 0].mean() for level in levels]
    precision = [level.shares[:, 1].sum() / max(level.shares[:, 0].sum(), 1e-9) for level in levels]
    assert paid[0] < 0.15
    assert paid[-1] > 0.9
    assert precision[-1] < 0.2, "three in a row at once leave no time for the truth"
    nats = [level.nats for level in levels]
    assert nats[0] == 0
    assert nats == sorted(nats)
    again = CrossEntropySearch(SPEC, STEPS, ACTIONS, seed=0).run(play, 2)
    assert all((one.shares == other.shares).all() for one, other in zip(levels, again, strict=True))


def test_draws_follow_each_steps_distribution():
    rng = np.random.default_rng(0)
    chances = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.1, 0.2, 0.7]])
    drawn = draw(chances, 20_000, rng)
    for step, row in enumerate(chances):
        shares = np.bincount(drawn[:, step], minlength=3) / len(drawn)
        np.testing.assert_allclose(shares, row, atol=0.015)
        assert (shares[row == 0] == 0).all()


def test_nats_count_the_steps_that_an_episode_lasts():
    chances = np.array([[1.0, 0.0], [0.5, 0.5], [0.75, 0.25]])
    third = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert divergence(chances, np.array([0])) == pytest.approx(np.log(2))
    assert divergence(chances, np.array([0, 2])) == pytest.approx((np.log(2) * 2 + third) / 2)
