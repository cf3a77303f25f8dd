"""One suite that every registered environment passes: what `RewardableEnv` promises, and Gymnasium's own checks.

A new environment is found in Gymnasium's registry. A new domain adds what solves its episodes to `ORACLES`, or itself
to `KEEPING` where the goal is not something to reach.
"""

import copy
import importlib
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import load_env_creator
from gymnasium.utils.env_checker import check_env

from envs.android.selftest import ScriptWriter
from envs.playhouse.policies import make_policy
from envs.registry import DOMAINS
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH
from vlm_rewards.environment.rewardable_env import RewardableEnv
from vlm_rewards.errors import NotCopyableError

pytestmark = pytest.mark.usefixtures("home_kept_open")

for package in DOMAINS.values():
    importlib.import_module(package)
# Each takes terminate_on_success and max_episode_steps: the constructor of its id, without Gymnasium's own wrappers.
REGISTERED = {name: spec for name, spec in gymnasium.registry.items() if name.partition("/")[0] in DOMAINS}
# The domains whose only goal is a state to keep: what is said of reaching goals, of their words, and of episodes that
# go on whatever the agent does, is not about these.
KEEPING = {"control"}
ENVIRONMENTS = {name: {} for name in REGISTERED} | {
    "android/OpenApp-v0 shuffled": {"layout": "shuffled", "content": "eval", "split": "held_out"},
}
STEPS = 12


def android_oracle(env) -> Iterator[int]:
    package = env.phone.apps.by_name[env.goal.subject].package
    yield from ScriptWriter(env.phone.layout, env.phone.apps).shortest(package)


def playhouse_oracle(env) -> Iterator[int]:
    policy = make_policy("oracle", env, np.random.default_rng(0))
    policy.reset()
    while True:
        yield policy.act()


# Of each domain: actions that reach the goal of the present episode from its start, most of the time.
ORACLES: dict[str, Callable] = {"android": android_oracle, "playhouse": playhouse_oracle}


def domain_of(name: str) -> str:
    return name.partition("/")[0]


REACHING = [name for name in ENVIRONMENTS if domain_of(name) not in KEEPING]


def makers(which):
    """Yields a function that makes environments, all of which are closed in the end."""
    made = []
    name = which.partition(" ")[0]
    spec = REGISTERED[name]

    def make(**settings):
        made.append(load_env_creator(spec.entry_point)(**spec.kwargs, **ENVIRONMENTS[which], **settings))
        return made[-1]

    make.oracle = ORACLES.get(domain_of(name))
    yield make
    for env in made:
        env.close()


@pytest.fixture(params=ENVIRONMENTS)
def make(request):
    yield from makers(request.param)


@pytest.fixture(params=REACHING)
def make_reaching(request):
    yield from makers(request.param)


def test_every_domain_has_registered_something():
    assert {domain_of(name) for name in REGISTERED} == set(DOMAINS) == set(ORACLES) | KEEPING
    assert {"playhouse/Find-v0", "playhouse/Lift-v0", "playhouse/PickPlace-v0", "android/OpenApp-v0"} <= set(REGISTERED)
    assert "control/CartPole-v0" in REGISTERED


def solved_episodes(env, oracle, count, after=6):
    """Plays episodes with an oracle, and so many random steps once the goal is reached, or until they end."""
    policy = np.random.default_rng(0)
    for seed in range(count):
        observation, info = env.reset(seed=seed)
        steps = [(observation, 0.0, False, False, info)]
        left = None
        for action in chain(oracle(env), repeat(None)):
            steps.append(
                env.step(policy.integers(env.action_space.n) if left is not None or action is None else action)
            )
            if left is not None:
                left -= 1
            elif steps[-1][4]["is_success"]:
                left = after
            if steps[-1][2] or steps[-1][3] or left == 0:
                break
        yield steps


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


def test_the_goals_tokens_tell_goals_apart(make_reaching):
    env = make_reaching(max_episode_steps=1)
    tokens = {}
    for steps in episodes(env, 60):
        tokens.setdefault(steps[0][4]["goal_id"], set()).add(steps[0][0]["goal"].tobytes())
    assert len(tokens) > 2
    assert all(len(each) == 1 for each in tokens.values())
    assert len(set.union(*tokens.values())) == len(tokens)


def test_an_episode_is_truncated_after_exactly_its_steps(make_reaching):
    env = make_reaching(terminate_on_success=False, max_episode_steps=STEPS)
    for steps in episodes(env, 5):
        assert len(steps) - 1 == STEPS
        assert not any(step[2] for step in steps)
        assert [step[3] for step in steps] == [False] * STEPS + [True]


def test_the_truth_comes_once_and_stays(make_reaching):
    env = make_reaching(terminate_on_success=False, max_episode_steps=150)
    solved = list(solved_episodes(env, make_reaching.oracle, 4))
    for steps in [*solved, *episodes(make_reaching(terminate_on_success=False, max_episode_steps=STEPS), 4)]:
        success = [step[4]["is_success"] for step in steps]
        assert success == sorted(success)  # never taken back
        assert not success[0]
        first = [float(now and not before) for before, now in zip([False, *success], success, strict=False)]
        assert [step[1] for step in steps] == first
        assert all(step[4]["is_success"] for step in steps if step[4]["goal_achieved"])
        assert not any(step[2] for step in steps)
    assert sum(steps[-1][4]["is_success"] for steps in solved) >= 3


def test_success_terminates_where_asked_for(make_reaching):
    env = make_reaching(terminate_on_success=True, max_episode_steps=150)
    solved = list(solved_episodes(env, make_reaching.oracle, 4))
    for steps in solved:
        assert [step[2] for step in steps] == [step[4]["is_success"] for step in steps]
        assert not (steps[-1][2] and steps[-1][3])
        assert sum(step[1] for step in steps) == steps[-1][2]
    assert sum(steps[-1][2] for steps in solved) >= 3


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


@pytest.mark.parametrize("env_id", sorted(set(REGISTERED) & set(REACHING)))
@pytest.mark.parametrize("limit", [3, 130])
def test_gymnasiums_time_limit_counts_below_the_presets_and_above(env_id, limit):
    env = gymnasium.make(env_id, max_episode_steps=limit, terminate_on_success=False)
    for made in (env, gymnasium.make(env.spec)):
        made.reset(seed=0)
        steps = 1
        while not made.step(0)[3]:
            steps += 1
        assert steps == limit
        made.close()


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, torch.tensor, np.array])
def test_an_action_is_any_whole_number(make, kind):
    env = make()
    env.reset(seed=0)
    observation = env.step(kind(1))[0]
    env.reset(seed=0)
    np.testing.assert_array_equal(observation["image"], env.step(1)[0]["image"])


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_cannot_be_copied_says_so(make_reaching, copied):
    with pytest.raises(NotCopyableError, match=r"neither copied nor pickled: make another with gymnasium\.make"):
        copied(make_reaching())
