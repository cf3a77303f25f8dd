"""Any vector environment with the model's reward: values, ends of episodes, both autoreset modes, refusals."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from tests.vlm_rewards.environment.grid_env import (
    COLOURS,
    ENCODER,
    STAY,
    TASKS,
    ColouredGridEnv,
    grid_client,
    grid_reward_model,
)
from vlm_rewards.environment.episode_statistics import EpisodeStatistics
from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.environment.vlm_reward_vec_env import VLMRewardVecEnv
from vlm_rewards.errors import ConfigError, InvalidFrameError
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.heads import HEADS
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import InProcessTransport, RewardClient

COUNT = 3
SIZE = 4
SAME, NEXT = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP


class CountingGrid(ColouredGridEnv):
    """The grid without any ending of its own but time, and a count of its resets in its infos."""

    def __init__(self, max_episode_steps=8):
        super().__init__(terminate_on_success=False, max_episode_steps=max_episode_steps)
        self.resets = 0

    def reset(self, *, seed=None, options=None):
        self.resets += 1
        return super().reset(seed=seed, options=options)

    def _info(self):
        return {**super()._info(), "resets": self.resets, "steps": self.steps}


def fns(**options):
    return [lambda: CountingGrid(**options) for _ in range(COUNT)]


def build(kind, **options):
    """One of the environments that the wrapper takes, wrapped."""
    if kind == "own":
        env = RewardVectorEnv(fns(**options))
    else:
        base = AsyncVectorEnv if kind.startswith("async") else SyncVectorEnv
        mode = AutoresetMode.DISABLED if kind.endswith("same") else NEXT
        env = base(fns(**options), autoreset_mode=mode)
    return VLMRewardVecEnv(env, grid_client())


KINDS = ["own", "sync-next", "sync-same", "async-next", "async-same"]


def state(env, name):
    """An attribute of each sub-environment."""
    base = env.unwrapped
    return [e.get_wrapper_attr(name) for e in base.envs] if isinstance(base, RewardVectorEnv) else base.get_attr(name)


def towards(env, *indices):
    """Actions that take some sub-environments to their goal's cell; the others stay."""
    actions = np.full(COUNT, STAY)
    for index in indices:
        y, x = state(env, "cells")[index][state(env, "goal_id")[index]]
        actions[index] = y * SIZE + x
    return actions


@pytest.mark.parametrize("kind", KINDS)
def test_the_reward_is_the_models_and_really_ends_the_episode(kind):
    env = build(kind)
    same = kind.endswith("same")
    assert env.metadata["autoreset_mode"] == (SAME if same else NEXT)
    env.reset(seed=7)
    _, rewards, terminations, truncations, infos = env.step(np.full(COUNT, STAY))
    assert not rewards.any()
    assert not terminations.any()
    goals = state(env, "goal_id")
    observations, rewards, terminations, truncations, infos = env.step(towards(env, 1))
    np.testing.assert_array_equal(rewards, [0, 1, 0])
    np.testing.assert_array_equal(terminations, [False, True, False])
    np.testing.assert_array_equal(infos["vlm_terminated"], [False, True, False])
    assert not truncations.any()
    np.testing.assert_array_equal(infos["env_reward"], [0, 1, 0])
    assert infos["vlm_score"][1] > 0.9
    assert (infos["vlm_score"][[0, 2]] < 0.9).all()
    assert infos["vlm_score"].dtype == np.float32
    if same:
        assert state(env, "resets") == (1, 2, 1)
        np.testing.assert_array_equal(infos["_final_obs"], [False, True, False])
        assert infos["final_obs"][0] is None
        assert (infos["final_obs"][1]["image"] != observations["image"][1]).any()
        assert infos["final_info"]["goal_id"][1] == goals[1]
        assert list(infos["steps"]) == [2, 0, 2]
        assert list(infos["final_info"]["steps"]) == [2, 2, 2]
    else:
        assert tuple(state(env, "resets")) == (1, 1, 1)
        # The final observation came with the reward; now the action of the ended one is ignored.
        observations, rewards, terminations, _, infos = env.step(towards(env, 0, 1, 2))
        np.testing.assert_array_equal(rewards, [1, 0, 1])
        np.testing.assert_array_equal(terminations, [True, False, True])
        assert tuple(state(env, "resets")) == (1, 2, 1)
        np.testing.assert_array_equal(infos["_vlm_score"], [True, False, True])
        assert list(infos["steps"]) == [3, 0, 3]
    env.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_reward_of_long_runs_is_that_of_the_frame_and_goal_of_its_step(kind):
    """Against single environments that are told when to reset: episodes end by time and by reward, in all orders."""
    env, model = build(kind, max_episode_steps=5), grid_reward_model()
    singles = [CountingGrid(max_episode_steps=5) for _ in range(COUNT)]
    observations, _ = env.reset(seed=3)
    for index, single in enumerate(singles):
        single.reset(seed=3 + index)
    rng = np.random.default_rng(5)
    over = [False] * COUNT
    rewarded = truncated = 0
    for _ in range(60):
        actions = np.where(rng.random(COUNT) < 0.3, towards(env, *range(COUNT)), rng.integers(0, STAY + 1, COUNT))
        observations, rewards, terminations, truncations, infos = env.step(actions)
        for index, single in enumerate(singles):
            if over[index]:
                expected, _ = single.reset()
                over[index] = False
                assert (rewards[index], terminations[index], truncations[index]) == (0, False, False)
                assert not infos["_vlm_score"][index]
            else:
                expected, _, _, timed_out, _ = single.step(actions[index])
                score = model.score(single.reward_frame()[None], [single.goal_id])[0]
                assert infos["vlm_score"][index] == score
                assert rewards[index] == float(score > model.beta) == terminations[index]
                assert truncations[index] == timed_out
                rewarded += int(rewards[index])
                truncated += int(timed_out)
                over[index] = bool(terminations[index] or timed_out)
                if over[index] and kind.endswith("same"):
                    np.testing.assert_array_equal(infos["final_obs"][index]["image"], expected["image"])
                    expected, _ = single.reset()
                    over[index] = False
            np.testing.assert_array_equal(observations["image"][index], expected["image"])
            np.testing.assert_array_equal(observations["goal"][index], expected["goal"])
    assert rewarded > 5
    assert truncated > 5
    env.close()


def test_without_autoreset_the_caller_resets_what_the_reward_has_ended():
    env = VLMRewardVecEnv(SyncVectorEnv(fns(), autoreset_mode=AutoresetMode.DISABLED), grid_client(), autoreset=False)
    assert env.metadata["autoreset_mode"] == AutoresetMode.DISABLED
    env.reset(seed=1)
    _, rewards, terminations, _, infos = env.step(towards(env, 2))
    assert (rewards[2], terminations[2]) == (1, True)
    assert "final_obs" not in infos
    assert tuple(state(env, "resets")) == (1, 1, 1)
    env.reset(options={"reset_mask": terminations})
    assert tuple(state(env, "resets")) == (1, 1, 2)
    env.step(np.full(COUNT, STAY))


@pytest.mark.parametrize("form", ["softmax_binary", "probability"])
@pytest.mark.parametrize("kind", ["own", "sync-next", "sync-same", "disabled"])
def test_every_episodes_statistics_equal_an_independent_sum(kind, form):
    """Random play; a dense form pays at every step, so that a step which is lost shows in the return."""
    client = grid_client()
    if form != "softmax_binary":
        config = RewardConfig(model="fake", negatives=NegativesSpec(kind="goals"), tau=0.5, head=HEADS[form]())
        client = RewardClient(InProcessTransport(RewardModel(config, TASKS, ENCODER)))
    mode = NEXT if kind == "sync-next" else AutoresetMode.DISABLED
    inner = RewardVectorEnv(fns()) if kind == "own" else SyncVectorEnv(fns(), autoreset_mode=mode)
    env = EpisodeStatistics(VLMRewardVecEnv(inner, client, autoreset=kind != "disabled"))
    env.reset(seed=4)
    env.action_space.seed(1)
    returns, lengths, resetting = np.zeros(COUNT), np.zeros(COUNT, int), np.zeros(COUNT, bool)
    seen = 0
    for _ in range(60):
        *_, rewards, terminations, truncations, infos = env.step(env.action_space.sample())
        returns[~resetting] += rewards[~resetting]
        lengths[~resetting] += 1
        done = terminations | truncations
        if done.any():
            np.testing.assert_allclose(infos["episode"]["r"][done], returns[done], rtol=1e-6)
            np.testing.assert_array_equal(infos["episode"]["l"][done], lengths[done])
            seen += done.sum()
            returns[done], lengths[done] = 0, 0
            if kind == "disabled":
                options = {"reset_mask": done}
                env.reset(options=options)
        resetting = done if env.metadata["autoreset_mode"] == NEXT else np.zeros(COUNT, bool)
    assert seen > 3 * COUNT


def test_the_callers_options_stay_as_they_are():
    env = VLMRewardVecEnv(SyncVectorEnv(fns(), autoreset_mode=AutoresetMode.DISABLED), grid_client(), autoreset=False)
    env.reset(seed=0)
    options = {"reset_mask": np.array([True, False, False])}
    env.reset(options=options)
    assert list(options) == ["reset_mask"]


def test_statistics_outside_count_the_models_return():
    env = EpisodeStatistics(build("sync-same"))
    env.reset(seed=4)
    env.step(np.full(COUNT, STAY))
    *_, infos = env.step(towards(env, 0))
    assert infos["episode"]["r"][0] == 1
    assert infos["episode"]["l"][0] == 2


@pytest.mark.parametrize("form", ["probability", "cosine"])
def test_dense_forms_pay_their_score_and_end_nothing(form):
    config = RewardConfig(
        model="fake", negatives=NegativesSpec(kind="goals_and_states"), tau=0.1, beta=0.9, head=HEADS[form]()
    )
    client = RewardClient(InProcessTransport(RewardModel(config, TASKS, encoder=ENCODER)))
    env = VLMRewardVecEnv(sync(), client)
    env.reset(seed=0)
    _, rewards, terminations, _, infos = env.step(towards(env, 0, 1, 2))
    np.testing.assert_array_equal(rewards, infos["vlm_score"])
    assert (rewards > 0.5).all()
    assert not terminations.any()
    assert not infos["vlm_terminated"].any()


def test_goals_may_be_given():
    def shown(env):
        return env.step(np.full(COUNT, STAY))[4]["vlm_score"]

    def frames(observations):
        return np.stack([ENCODER.frame_of("Screenshot of the red cell on Android")] * COUNT)

    env = SyncVectorEnv(fns(), autoreset_mode=AutoresetMode.DISABLED)
    for goals, wins in (("red", [1, 1, 1]), (["red", "blue", "red"], [1, 0, 1])):
        wrapped = VLMRewardVecEnv(env, grid_client(), goals=goals, frames=frames)
        wrapped.reset(seed=0)
        np.testing.assert_array_equal(shown(wrapped) > 0.9, wins)


class Rendered(gym.Env):
    """An environment like most: no goals, no reward frames, a rendering."""

    observation_space = gym.spaces.Discrete(8)
    action_space = gym.spaces.Discrete(4)
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 as Gymnasium has it

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.colour = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.colour = 3
        return 0, {}

    def step(self, action):
        self.colour = int(action)
        return int(action), 5.0, False, False, {}

    def render(self):
        return ENCODER.frame_of(f"Screenshot of the {list(COLOURS)[self.colour]} cell on Android")


def test_an_environment_with_a_rendering_alone_is_rewarded_for_what_it_shows():
    make = [lambda: Rendered("rgb_array")] * 4
    env = VLMRewardVecEnv(SyncVectorEnv(make, autoreset_mode=AutoresetMode.DISABLED), grid_client(), goals="green")
    env.reset()
    observations, rewards, _, _, infos = env.step(np.arange(4))
    np.testing.assert_array_equal(rewards, [0, 1, 0, 0])
    np.testing.assert_array_equal(observations, [0, 0, 2, 3])
    np.testing.assert_array_equal(infos["env_reward"], [5, 5, 5, 5])


def sync(makers=None, mode=AutoresetMode.DISABLED):
    return SyncVectorEnv(makers or fns(), autoreset_mode=mode)


@pytest.mark.parametrize(
    ("make", "options", "says"),
    [
        (lambda: sync(mode=SAME), {}, "SAME_STEP.*DISABLED"),
        (sync, {"goals": "rde"}, "no goal 'rde'; did you mean 'red'"),
        (sync, {"goals": ["red"]}, "1 goals for 3"),
        (sync, {"frames": "screenshot"}, "unknown frame source"),
        (sync, {"frames": "render"}, "rgb_array"),
        (lambda: sync([Rendered]), {}, "rgb_array"),
        (lambda: sync([Rendered]), {"frames": "reward_frame"}, "no reward_frame"),
        (lambda: gym.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point"), {}, "cannot reset single"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_built(make, options, says):
    with pytest.raises(ConfigError, match=says) as raised:
        VLMRewardVecEnv(make(), grid_client(), **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (lambda _: np.zeros((2, 8, 8, 3), np.uint8), "2 frames for 3"),
        (lambda _: np.zeros((3, 8, 8, 3), np.float32), "float32"),
        (lambda _: [np.zeros((8 + i, 8, 3), np.uint8) for i in range(3)], "one size"),
        (lambda _: [None] * 3, "object"),
    ],
)
def test_frames_that_are_none_are_refused(frames, says):
    env = VLMRewardVecEnv(sync(), grid_client(), frames=frames)
    env.reset(seed=0)
    with pytest.raises(InvalidFrameError, match=says):
        env.step(np.full(COUNT, STAY))
