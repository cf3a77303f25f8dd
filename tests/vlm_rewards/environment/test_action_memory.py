import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete

from envs.registry import make_env
from tests.vlm_rewards.environment.grid_env import ColouredGridEnv
from vlm_rewards.environment.action_memory import (
    PAST_ACTIONS,
    ActionMemoryEnv,
    remembered_actions,
    with_past_actions,
)
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.rllib_env import RLlibRewardVectorEnv


def memory_env(actions=3, **kwargs):
    return ActionMemoryEnv(ColouredGridEnv(terminate_on_success=False, **kwargs), actions)


def test_the_last_actions_are_shown_the_latest_first_and_forgotten_at_a_reset():
    env = memory_env()
    for _ in range(2):
        observation, _ = env.reset(seed=0)
        assert observation[PAST_ACTIONS].tolist() == [0, 0, 0]
        shown = []
        for action in (0, 2, 1, 3):
            observation, *_ = env.step(action)
            assert env.observation_space.contains(observation)
            shown.append(observation[PAST_ACTIONS])
        # Each is an array of its own: what was handed out does not change afterwards.
        assert [each.tolist() for each in shown] == [[1, 0, 0], [3, 1, 0], [2, 3, 1], [4, 2, 3]]


def test_everything_else_is_the_environment_s():
    plain, remembering = ColouredGridEnv(terminate_on_success=False), memory_env()
    one, two = plain.reset(seed=4), remembering.reset(seed=4)
    for action in (None, 0, 1, 2):
        if action is not None:
            one, two = plain.step(action), remembering.step(action)
        for key in ("image", "goal"):
            np.testing.assert_array_equal(one[0][key], two[0][key])
        assert one[1:] == two[1:]
    np.testing.assert_array_equal(plain.reward_frame(), remembering.get_wrapper_attr("reward_frame")())


def test_each_sub_environment_of_a_vector_remembers_its_own():
    env = RLlibRewardVectorEnv({"env": memory_env, "env_kwargs": {}, "num_envs": 3})
    env.reset(seed=0)
    observations, *_ = env.step(np.array([0, 1, 2]))
    assert observations[PAST_ACTIONS].tolist() == [[1, 0, 0], [2, 0, 0], [3, 0, 0]]


def test_spaces_say_how_many_are_remembered():
    space = Dict(image=Box(0, 255, (4, 4, 3), np.uint8))
    assert remembered_actions(space) == 0
    assert with_past_actions(space, 0, 5) is space
    assert remembered_actions(with_past_actions(space, 7, 5)) == 7
    assert with_past_actions(space, 7, 5)[PAST_ACTIONS].high.max() == 5
    assert remembered_actions(Discrete(3)) == 0


@pytest.mark.parametrize("actions", [0, -1, 2.5, "many"])
def test_a_number_that_is_none_is_refused(actions):
    with pytest.raises(ConfigError, match=r"remembered_actions is .*; give a whole number of at least 1"):
        memory_env(actions)


def test_every_environment_of_ours_takes_it_as_an_option():
    env = make_env("android/OpenApp-v0", remembered_actions=2)
    try:
        env.reset(seed=0)
        observation, *_ = env.step(5)
        assert observation[PAST_ACTIONS].tolist() == [6, 0]
        assert env.observation_space.contains(observation)
    finally:
        env.close()


def test_continuous_actions_are_refused():
    with pytest.raises(ConfigError, match="remembered_actions needs discrete actions, not Box"):
        make_env("playhouse/Find-v0", actions="continuous", remembered_actions=2)
