"""One suite that every environment of the house passes: what `RewardableEnv` promises, and Gymnasium's own checks.

To add an environment, add a line to `ENVIRONMENTS`.
"""

import threading
import warnings
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.android.env import OpenAppEnv
from envs.playhouse import PlayhouseEnv
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH
from vlm_rewards.environment.rewardable_env import RewardableEnv

# Each takes terminate_on_success and max_episode_steps.
ENVIRONMENTS = {
    "android": OpenAppEnv,
    "android-shuffled": partial(OpenAppEnv, layout="shuffled", content="eval", split="held_out"),
    "playhouse-find": partial(PlayhouseEnv, "find"),
}
STEPS = 12


@pytest.fixture(params=ENVIRONMENTS)
def make(request):
    made = []

    def make(**settings):
        made.append(ENVIRONMENTS[request.param](**settings))
        return made[-1]

    yield make
    for env in made:
        env.close()


def episodes(env, count, seed=0):
    """Plays episodes with a random policy; yields the list of (observation, reward, terminated, truncated, info)."""
    policy = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    for _ in range(count):
        steps = [(observation, 0.0, False, False, info)]
        while not (steps[-1][2] or steps[-1][3]):
            steps.append(env.step(policy.integers(env.action_space.n)))
        yield steps
        observation, info = env.reset()


def flatten(steps):
    return [(step[0]["image"].tobytes(), step[0]["goal"].tobytes(), *step[1:]) for step in steps]


def test_it_passes_gymnasiums_checks_without_a_warning(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(), skip_render_check=True)


def test_spaces_and_protocol(make):
    env = make()
    env.reset(seed=0)
    assert isinstance(env, RewardableEnv)
    image, goal = env.observation_space["image"], env.observation_space["goal"]
    assert (image.dtype, len(image.shape), image.shape[-1]) == (np.uint8, 3, 3)
    assert (goal.dtype, goal.shape) == (np.int64, (GOAL_LENGTH,))
    frame = env.reward_frame()
    assert (frame.dtype, frame.ndim, frame.shape[-1]) == (np.uint8, 3, 3)


def test_observations_infos_and_rewards_are_of_their_kind(make):
    env = make(max_episode_steps=STEPS)
    for steps in episodes(env, 5):
        for observation, reward, terminated, truncated, info in steps:
            assert env.observation_space.contains(observation)
            assert type(reward) is float
            assert (type(terminated), type(truncated)) == (bool, bool)
            assert type(info["is_success"]) is type(info["goal_achieved"]) is bool
            assert info["goal_id"] == steps[0][4]["goal_id"]


def test_the_goals_tokens_tell_goals_apart(make):
    env = make(max_episode_steps=1)
    tokens = {}
    for steps in episodes(env, 60):
        tokens.setdefault(steps[0][4]["goal_id"], set()).add(steps[0][0]["goal"].tobytes())
    assert len(tokens) > 2
    assert all(len(each) == 1 for each in tokens.values())
    assert len(set.union(*tokens.values())) == len(tokens)


def test_an_episode_is_truncated_after_exactly_its_steps(make):
    env = make(terminate_on_success=False, max_episode_steps=STEPS)
    for steps in episodes(env, 5):
        assert len(steps) - 1 == STEPS
        assert not any(step[2] for step in steps)
        assert [step[3] for step in steps] == [False] * STEPS + [True]


def test_the_truth_comes_once_and_stays(make):
    env = make(terminate_on_success=False, max_episode_steps=40)
    succeeded = 0
    for steps in episodes(env, 60):
        success = [step[4]["is_success"] for step in steps]
        assert success == sorted(success)  # never taken back
        assert not success[0]
        first = [float(now and not before) for before, now in zip([False, *success], success, strict=False)]
        assert [step[1] for step in steps] == first
        assert all(step[4]["is_success"] for step in steps if step[4]["goal_achieved"])
        succeeded += success[-1]
    assert succeeded > 0


def test_success_terminates_where_asked_for(make):
    env = make(terminate_on_success=True, max_episode_steps=60)
    ended = 0
    for steps in episodes(env, 40):
        assert [step[2] for step in steps] == [step[4]["is_success"] for step in steps]
        assert not (steps[-1][2] and steps[-1][3])
        ended += steps[-1][2]
    assert ended > 0


def test_a_seed_fixes_the_whole_stream_of_episodes(make):
    first, second = make(max_episode_steps=STEPS), make(max_episode_steps=STEPS)
    streams = [[flatten(steps) for steps in episodes(env, 4, seed=11)] for env in (first, second)]
    assert streams[0] == streams[1]
    assert [flatten(steps) for steps in episodes(first, 4, seed=11)] == streams[0]  # after other episodes
    assert [flatten(steps) for steps in episodes(first, 4, seed=12)] != streams[0]


def test_environments_in_one_process_do_not_touch_each_other(make):
    alone = [flatten(steps) for steps in episodes(make(max_episode_steps=STEPS), 2, seed=5)]
    env, other = make(max_episode_steps=STEPS), make(max_episode_steps=STEPS)
    other.reset(seed=99)
    policy = np.random.default_rng(5)
    observation, info = env.reset(seed=5)
    together = []
    for _ in range(2):
        steps = [(observation, 0.0, False, False, info)]
        while not (steps[-1][2] or steps[-1][3]):
            steps.append(env.step(policy.integers(env.action_space.n)))
            if any(other.step(other.action_space.sample())[2:4]):
                other.reset()
        together.append(flatten(steps))
        observation, info = env.reset()
    assert together == alone


def test_a_reward_frame_shows_the_state_and_does_not_change_it(make):
    plain, watched = make(max_episode_steps=STEPS), make(max_episode_steps=STEPS)
    frames = set()
    expected = [flatten(steps) for steps in episodes(plain, 2, seed=3)]
    policy = np.random.default_rng(3)
    observation, info = watched.reset(seed=3)
    for steps in expected:
        seen = [(observation, 0.0, False, False, info)]
        while not (seen[-1][2] or seen[-1][3]):
            np.testing.assert_array_equal(watched.reward_frame(), watched.reward_frame())
            frames.add(watched.reward_frame().tobytes())
            seen.append(watched.step(policy.integers(watched.action_space.n)))
        assert flatten(seen) == steps
        observation, info = watched.reset()
    assert len(frames) > 2


def test_frames_belong_to_the_caller(make):
    env = make()
    observation, _ = env.reset(seed=0)
    expected = env.reward_frame()
    env.reward_frame()[:] = 0
    observation["image"][:] = 0
    observation["goal"][:] = 0
    np.testing.assert_array_equal(env.reward_frame(), expected)
    again, _ = env.reset(seed=0)
    assert again["image"].any()
    assert again["goal"].any()


@pytest.mark.parametrize("action", [-1, 10_000, 1.5, "tap", None])
def test_an_action_outside_its_space_is_refused(make, action):
    env = make()
    env.reset(seed=0)
    with pytest.raises((gymnasium.error.InvalidAction, ValueError), match="action"):
        env.step(action)


def test_steps_without_a_reset_are_refused(make):
    env = make(max_episode_steps=1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_closing_twice_is_fine_and_leaves_no_thread(make):
    before = set(threading.enumerate())
    env = make()
    env.reset(seed=0)
    env.step(0)
    env.close()
    env.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(gymnasium.error.ClosedEnvironmentError):
        env.reset()
