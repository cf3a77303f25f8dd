import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from gymnasium.wrappers.vector import DictInfoToList

from tests.vlm_rewards.environment.grid_env import STAY, ColouredGridEnv, grid_fns
from vlm_rewards.environment.rewardable_env import RewardableEnv
from vlm_rewards.environment.vector_env import RewardVectorEnv, batched_infos
from vlm_rewards.errors import ConfigError, InvalidFrameError


def actions_of(rng, count):
    return rng.integers(STAY + 1, size=count)


def test_the_test_env_is_a_valid_gymnasium_and_rewardable_env():
    from gymnasium.utils.env_checker import check_env

    env = ColouredGridEnv()
    env.reset(seed=0)
    check_env(env, skip_render_check=True)
    assert isinstance(env, RewardableEnv)


def test_without_interference_it_steps_exactly_as_gymnasiums_sync_vector_env():
    ours, theirs = RewardVectorEnv(grid_fns(5)), SyncVectorEnv(grid_fns(5))
    assert ours.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    rng = np.random.default_rng(0)
    results = [(ours.reset(seed=3), theirs.reset(seed=3))]
    for _ in range(60):
        actions = actions_of(rng, 5)
        results.append((ours.step(actions), theirs.step(actions)))
    ended = 0
    for mine, reference in results:
        for key in ("image", "goal"):
            assert mine[0][key].dtype == reference[0][key].dtype
            np.testing.assert_array_equal(mine[0][key], reference[0][key])
        for a, b in zip(mine[1:-1], reference[1:-1], strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        ended += int(mine[2].sum() + mine[3].sum()) if len(mine) > 2 else 0
        assert mine[-1].keys() == reference[-1].keys()
        for key in mine[-1]:
            assert mine[-1][key].tolist() == reference[-1][key].tolist()
    assert ended > 10


def test_ended_episodes_are_reset_by_the_next_step_and_only_those():
    env = RewardVectorEnv(grid_fns(3, terminate_on_success=False, max_episode_steps=50))
    env.reset(seed=0)
    env.step(np.full(3, STAY))
    env.end_episodes([1])
    agents = [sub.agent for sub in env.envs]
    _, rewards, terminations, truncations, infos = env.step(np.array([STAY, 0, STAY]))
    assert [sub.steps for sub in env.envs] == [2, 0, 2]
    assert [env.envs[0].agent, env.envs[2].agent] == [agents[0], agents[2]]
    assert not terminations.any()
    assert not truncations.any()
    assert rewards[1] == 0
    assert infos["goal_id"][1] == env.envs[1].goal_id
    env.step(np.full(3, STAY))
    assert [sub.steps for sub in env.envs] == [3, 1, 3]


def test_ending_an_episode_that_was_truncated_in_the_same_step_resets_it_once():
    env = RewardVectorEnv(grid_fns(2, terminate_on_success=False, max_episode_steps=2))
    env.reset(seed=0)
    env.step(np.full(2, STAY))
    _, _, _, truncations, _ = env.step(np.full(2, STAY))
    assert truncations.all()
    env.end_episodes([0])
    env.step(np.full(2, STAY))
    assert [sub.steps for sub in env.envs] == [0, 0]
    env.step(np.full(2, STAY))
    assert [sub.steps for sub in env.envs] == [1, 1]


def test_a_full_reset_forgets_what_was_ended():
    env = RewardVectorEnv(grid_fns(2))
    env.reset(seed=0)
    env.end_episodes([0, 1])
    env.reset(seed=1)
    env.step(np.full(2, STAY))
    assert [sub.steps for sub in env.envs] == [1, 1]


def test_a_reset_mask_starts_the_episodes_that_it_names_and_touches_no_other():
    env = RewardVectorEnv(grid_fns(3))
    env.reset(seed=0)
    seen, *_ = env.step(np.array([1, 2, 3]))
    env.end_episodes([0, 1])
    options = {"reset_mask": np.array([False, True, False])}
    observations, infos = env.reset(options=options, seed=[None, 7, None])
    assert options["reset_mask"].tolist() == [False, True, False]
    assert infos["_goal_id"].tolist() == [False, True, False]
    assert [sub.steps for sub in env.envs] == [1, 0, 1]
    np.testing.assert_array_equal(observations["image"][[0, 2]], seen["image"][[0, 2]])
    env.step(np.array([1, 2, 3]))
    assert [sub.steps for sub in env.envs] == [0, 1, 2], "only the first was still waiting for its reset"


@pytest.mark.parametrize("mask", [np.array([True, False]), np.array([1, 0, 0]), [True, False, False]])
def test_a_reset_mask_of_another_kind_or_before_the_first_reset_is_refused(mask):
    env = RewardVectorEnv(grid_fns(3))
    with pytest.raises(ConfigError, match="reset_mask"):
        env.reset(options={"reset_mask": mask})


def test_kept_observations_are_not_overwritten_by_later_steps():
    env = RewardVectorEnv(grid_fns(2))
    kept, _ = env.reset(seed=0)
    before = kept["image"].copy()
    for action in range(4):
        env.step(np.full(2, action))
    np.testing.assert_array_equal(kept["image"], before)


def test_reward_frames_and_goals_belong_to_the_asked_sub_environments_in_order():
    env = RewardVectorEnv(grid_fns(4))
    env.reset(seed=0)
    frames = env.reward_frames([2, 0])
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames[0], env.envs[2].reward_frame())
    np.testing.assert_array_equal(frames[1], env.envs[0].reward_frame())
    assert env.goal_ids([2, 0]) == [env.envs[2].goal_id, env.envs[0].goal_id]
    assert env.reward_frames([]).shape == (0, 0, 0, 3)


def test_wrapped_sub_environments_and_rllibs_own_wrapper_keep_the_seam_reachable():
    env = DictInfoToList(RewardVectorEnv([lambda: TimeLimit(ColouredGridEnv(), 3)] * 2))
    _, infos = env.reset(seed=0)
    assert isinstance(infos, list)
    assert set(infos[0]) == {"is_success", "goal_achieved", "goal_id"}
    vector_env = env.unwrapped
    assert isinstance(vector_env, RewardVectorEnv)
    assert vector_env.goal_ids([1]) == [infos[1]["goal_id"]]
    assert len(vector_env.reward_frames([0, 1])) == 2


def test_infos_keep_their_types_even_when_they_are_mixed_or_partly_missing():
    batched = batched_infos([{"a": 1, "b": True, "c": "x"}, {"a": 0.5}, {"b": False, "d": {"deep": 1}}])
    assert batched["a"].tolist() == [1, 0.5, 0]
    assert batched["_a"].tolist() == [True, True, False]
    assert batched["b"].dtype == np.bool_
    assert batched["c"].tolist()[0] == "x"
    assert batched["d"][2] == {"deep": 1}


@pytest.mark.parametrize("index", [-1, 3])
def test_an_unknown_sub_environment_is_refused(index):
    env = RewardVectorEnv(grid_fns(3))
    env.reset(seed=0)
    for call in (env.end_episodes, env.reward_frames, env.goal_ids):
        with pytest.raises(IndexError, match="sub-environment"):
            call([index])


def test_unusable_sub_environments_are_refused_with_what_to_do():
    with pytest.raises(ConfigError, match="at least one"):
        RewardVectorEnv([])
    with pytest.raises(ConfigError, match="reward_frame"):
        RewardVectorEnv([lambda: gym.make("CartPole-v1")])
    with pytest.raises(ConfigError, match="seeds"):
        RewardVectorEnv(grid_fns(2)).reset(seed=[1])


def test_a_reward_frame_of_the_wrong_type_is_refused():
    env = RewardVectorEnv(grid_fns(2))
    env.reset(seed=0)
    env.envs[1]._nowhere = env.envs[1]._nowhere.astype(np.float32)
    env.envs[1].cells = {}
    with pytest.raises(InvalidFrameError, match="sub-environment 1"):
        env.reward_frames([0, 1])
