import numpy as np
import pytest

from tests.vlm_rewards.environment.grid_env import STAY, ColouredGridEnv
from vlm_rewards.environment.exploring_starts import ExploringStarts, ExploringStartsEnv
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.rllib_env import RLlibRewardVectorEnv

CORNER = (0, 0)


def started(probability, actions=(0,), max_actions=1, episodes=200, **kwargs):
    """Where the agent stands, and the steps taken, at the start of each episode."""
    starts = ExploringStarts(actions=actions, max_actions=max_actions, probability=probability)
    env = ExploringStartsEnv(ColouredGridEnv(terminate_on_success=False, **kwargs), starts)
    seen = []
    for episode in range(episodes):
        observation, info = env.reset(seed=0 if episode == 0 else None)
        assert env.observation_space.contains(observation)
        assert info["goal_id"] == env.unwrapped.goal_id
        seen.append((env.unwrapped.agent, env.unwrapped.steps))
    return seen


def test_the_configured_share_of_episodes_starts_behind_the_actions():
    seen = started(probability=0.5)
    moved = [agent == CORNER for agent, steps in seen if steps == 1]
    assert all(moved)
    assert 0.4 < len(moved) / len(seen) < 0.6
    assert all(steps == 0 for _, steps in started(probability=0.0))
    assert all(steps == 1 for _, steps in started(probability=1.0))


def test_the_number_of_actions_is_drawn_up_to_the_configured_one():
    assert {steps for _, steps in started(probability=1.0, max_actions=3)} == {1, 2, 3}


def test_one_seed_gives_the_same_starts():
    assert started(probability=0.5, actions=(0, 5, STAY)) == started(probability=0.5, actions=(0, 5, STAY))


def test_an_episode_that_ends_before_it_begins_is_started_again_as_usual():
    assert all(steps == 0 for _, steps in started(probability=1.0, max_episode_steps=1, episodes=20))


def test_the_vector_env_applies_them_to_every_sub_environment():
    starts = ExploringStarts(actions=(0,), probability=1.0)
    context = {"env": ColouredGridEnv, "env_kwargs": {}, "num_envs": 3}
    env = RLlibRewardVectorEnv({**context, "exploring_starts": starts})
    env.reset(seed=0)
    assert [sub.unwrapped.agent for sub in env.envs] == [CORNER] * 3
    assert env.reward_frames([0, 1, 2]).dtype == np.uint8
    plain = RLlibRewardVectorEnv(context)
    plain.reset(seed=0)
    assert [sub.steps for sub in plain.envs] == [0] * 3


@pytest.mark.parametrize("mistake", [{"actions": ()}, {"probability": 1.5}, {"max_actions": 0}, {"action": (1,)}])
def test_unusable_settings_are_refused(mistake):
    with pytest.raises(ConfigError):
        ExploringStarts(**{"actions": (0,), **mistake})
