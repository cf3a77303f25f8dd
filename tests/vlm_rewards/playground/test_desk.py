"""Environments stepped by hand: a few at a time, and never in the way of each other."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.vlm_rewards.playground.conftest import ENV_ID, TASKS, LampEnv
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import ConfigError, VLMRewardsError
from vlm_rewards.playground.desk import Desk


@pytest.fixture
def desk():
    desk = Desk([ENV_ID, "playground-tests/None-v0"])
    yield desk
    desk.close()


def picture(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_an_environment_that_cannot_be_had_is_said_and_the_others_are_listed(desk):
    (listed,), why = desk.listed()
    assert listed["id"] == ENV_ID
    assert [goal["id"] for goal in listed["goals"]] == ["lit", "red"]
    assert "playground-tests/None-v0" in why
    assert "\n" not in why


def test_what_the_reward_sees_is_what_the_page_gets(desk):
    opened = desk.open(ENV_ID, "lit")
    assert opened["actions"] == ("tap_0_0", "tap_0_1", "switch", "wait", "break")
    assert opened["captions"] == TASKS.unachieved_captions
    assert (opened["steps"], opened["achieved"], opened["over"]) == (0, False, False)
    np.testing.assert_array_equal(picture(opened["frame"]), FakeEncoder().frame_of("a photo of a dark room"))
    state = desk.step(opened["session"], 2)
    np.testing.assert_array_equal(picture(state["frame"]), FakeEncoder().frame_of("a photo of the lamp on"))
    assert picture(state["view"]).shape == (40, 60, 3)
    assert (state["steps"], state["action"], state["achieved"]) == (1, "switch", True)


def test_two_tabs_have_an_episode_each(desk):
    first, second = desk.open(ENV_ID, "lit"), desk.open(ENV_ID, "red")
    assert desk.step(first["session"], 2)["achieved"]
    assert not desk.step(second["session"], 2)["achieved"]
    assert desk.step(second["session"], 3)["goal"]["id"] == "red"


def test_a_random_action_is_one_of_its_own(desk, monkeypatch):
    monkeypatch.setattr(LampEnv, "action_names", ("left", "right", "up"))
    monkeypatch.setattr(LampEnv, "actions", 3)
    opened = desk.open(ENV_ID, None)
    assert {desk.step(opened["session"], None)["action"] for _ in range(6)} <= {"left", "right", "up"}


def test_the_oldest_episode_gives_way_to_a_new_one(desk):
    sessions = [desk.open(ENV_ID, None)["session"] for _ in range(5)]
    with pytest.raises(ConfigError, match="start another"):
        desk.step(sessions[0], 3)
    replaced = desk.open(ENV_ID, None, previous=sessions[4])["session"]
    for session in (sessions[1], replaced):
        assert desk.step(session, 3)["steps"] == 1


@pytest.mark.parametrize(
    ("env_id", "goal", "says"), [("other/Env-v0", None, "other/Env-v0"), (ENV_ID, "lid", "did you mean 'lit'")]
)
def test_unknown_names_are_refused_with_the_nearest(desk, env_id, goal, says):
    with pytest.raises(ConfigError, match=says):
        desk.open(env_id, goal)


def test_an_episode_ends_for_good(desk):
    session = desk.open(ENV_ID, "lit")["session"]
    states = [desk.step(session, 3) for _ in range(6)]
    assert [state["over"] for state in states] == [False] * 5 + [True]
    with pytest.raises(ConfigError, match="over"):
        desk.step(session, 3)
    with pytest.raises(ConfigError, match="no action 9"):
        desk.step(desk.open(ENV_ID, "lit")["session"], 9)


def test_an_environment_that_fails_is_closed_and_says_why(desk):
    session = desk.open(ENV_ID, "lit")["session"]
    with pytest.raises(VLMRewardsError, match="the lamp broke"):
        desk.step(session, 4)
    with pytest.raises(ConfigError, match="closed"):
        desk.step(session, 3)
