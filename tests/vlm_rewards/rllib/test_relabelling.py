"""Which goals are like one another, and how often a step gets one that is."""

import numpy as np
import pytest

from vlm_rewards.environment.goal_tokens import tokenize
from vlm_rewards.rllib.relabelling import relabelled
from vlm_rewards.rllib.replay_settings import Hindsight
from vlm_rewards.rllib.training_goals import TrainingGoals

NAMES = ["red ball", "red cube", "blue ball", "blue cone", "green cup", "white lamp"]
RED_BALL, RED_CUBE, BLUE_BALL, BLUE_CONE, GREEN_CUP, WHITE_LAMP = range(6)
GOALS = TrainingGoals(tuple(NAMES), np.stack([tokenize(f"find the {name}") for name in NAMES]))


def shares(hindsight, later, own=WHITE_LAMP, size=20000):
    """How often each goal is given to steps of one episode."""
    table = np.broadcast_to(np.isin(np.arange(len(GOALS)), later), (size, len(GOALS)))
    rng = np.random.default_rng(0)
    goals = relabelled(rng, hindsight, np.full(size, own), table, GOALS.alike)
    return np.bincount(goals, minlength=len(GOALS)) / size


def test_goals_are_alike_that_share_a_word_which_few_have():
    alike = {name: {NAMES[j] for j in np.flatnonzero(row)} for name, row in zip(NAMES, GOALS.alike, strict=True)}
    assert alike == {
        "red ball": {"red cube", "blue ball"},
        "red cube": {"red ball"},
        "blue ball": {"red ball", "blue cone"},
        "blue cone": {"blue ball"},
        "green cup": set(),
        "white lamp": set(),
    }


def test_a_share_of_the_negatives_is_like_what_is_achieved_later():
    hindsight = Hindsight(share=0.8, future=0.5, alike=0.6)
    given = shares(hindsight, [RED_BALL])
    # 0.2 keep the lamp; 0.4 get the red ball; of the other 0.4 six in ten get one of its two likes, four any of six.
    anything = 0.4 * 0.4 / 6
    assert given[WHITE_LAMP] == pytest.approx(0.2 + anything, abs=0.015)
    assert given[RED_BALL] == pytest.approx(0.4 + anything, abs=0.015)
    assert given[RED_CUBE] == pytest.approx(0.12 + anything, abs=0.015)
    assert given[BLUE_BALL] == pytest.approx(0.12 + anything, abs=0.015)
    assert given[BLUE_CONE] == pytest.approx(anything, abs=0.015)


@pytest.mark.parametrize("later", [[], [GREEN_CUP]], ids=["nothing comes", "nothing is like what comes"])
def test_where_nothing_is_alike_any_goal_does(later):
    given = shares(Hindsight(share=1, future=0, alike=1), later)
    assert given == pytest.approx(np.full(6, 1 / 6), abs=0.015)


def test_without_it_the_draws_are_those_that_there_were_before():
    later = np.random.default_rng(1).random((500, 6)) < 0.3
    drawn = [
        relabelled(np.random.default_rng(2), Hindsight(), np.zeros(500, np.int64), later, alike)
        for alike in (None, GOALS.alike)
    ]
    np.testing.assert_array_equal(*drawn)
