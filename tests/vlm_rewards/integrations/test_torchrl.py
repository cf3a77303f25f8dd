"""TorchRL's environments are paid as Gymnasium's are, to the bit."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

pytest.importorskip("torchrl", reason="pip install 'vlm-rewards[torchrl]'")

import torch
from torchrl.envs import GymWrapper, SerialEnv, TransformedEnv
from torchrl.envs.transforms import RewardSum, ToTensorImage
from torchrl.envs.utils import check_env_specs

import envs.android  # noqa: F401 registers android/OpenApp-v0
from tests.vlm_rewards.environment.grid_env import ColouredGridEnv, grid_client
from vlm_rewards.environment.vlm_reward_vec_env import VLMRewardVecEnv
from vlm_rewards.errors import ConfigError, InvalidFrameError
from vlm_rewards.integrations.torchrl import VLMRewardTransform
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.reward_preset import packaged_rewards
from vlm_rewards.service import InProcessTransport, RewardClient

STEPS = 40


class SeededGrid(ColouredGridEnv):
    """The grid whose first reset has a seed, however its caller begins."""

    def __init__(self, seed):
        super().__init__(terminate_on_success=False, max_episode_steps=6)
        self._first = seed

    def reset(self, *, seed=None, options=None):
        seed, self._first = self._first if seed is None else seed, None
        return super().reset(seed=seed, options=options)


def grids(count):
    return [lambda index=index: SeededGrid(100 + index) for index in range(count)]


def phones(count):
    def make(index):
        env = gym.make("android/OpenApp-v0", terminate_on_success=False, max_episode_steps=6, disable_env_checker=True)
        env.reset(seed=100 + index)
        return env

    return [lambda index=index: make(index) for index in range(count)]


def phone_client():
    preset = packaged_rewards()["reward-pocket"]
    return RewardClient(InProcessTransport(RewardModel(preset.reward, preset.tasks)))


def by_gymnasium(fns, client, actions):
    """Scores, rewards, own rewards, terminations and truncations of each step, (steps, count) each."""
    env = VLMRewardVecEnv(SyncVectorEnv(fns, autoreset_mode=AutoresetMode.DISABLED), client)
    env.reset()
    rows = []
    for row in actions:
        _, rewards, terminations, truncations, infos = env.step(row)
        rows.append((infos["vlm_score"], rewards, infos["env_reward"], terminations, truncations))
    env.close()
    return [np.stack(column) for column in zip(*rows, strict=True)]


def by_torchrl(fns, client, actions):
    makers = [lambda fn=fn: GymWrapper(fn(), categorical_action_encoding=True) for fn in fns]
    base = makers[0]() if len(makers) == 1 else SerialEnv(len(makers), makers)
    env = TransformedEnv(base, VLMRewardTransform(client))
    td, rows = env.reset(), []
    for row in actions:
        td["action"] = torch.as_tensor(row).reshape(td.batch_size)
        stepped, td = env.step_and_maybe_reset(td)
        names = ("vlm_score", "reward", "env_reward", "terminated", "truncated")
        rows.append([stepped["next", name].reshape(-1).numpy() for name in names])
    env.close()
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("count", [1, 3])
def test_rewards_and_ends_are_those_of_the_gymnasium_wrapper(count):
    actions = np.random.default_rng(0).integers(0, 17, (STEPS, count))
    expected = by_gymnasium(grids(count), grid_client(), actions)
    found = by_torchrl(grids(count), grid_client(), actions)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert expected[1].any()  # some were paid, and ended by that
    assert expected[4].any()  # and some ran out of time


def test_on_the_phone_by_a_packaged_model_they_are_the_same_bits():
    actions = np.random.default_rng(1).integers(0, 60, (12, 2))
    expected, found = (run(phones(2), phone_client(), actions) for run in (by_gymnasium, by_torchrl))
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert len(np.unique(expected[0])) > 3


def test_specs_rollouts_and_other_transforms_fit():
    env = TransformedEnv(GymWrapper(SeededGrid(0), categorical_action_encoding=True), VLMRewardTransform(grid_client()))
    env.append_transform(RewardSum())
    check_env_specs(env)
    rollout = env.rollout(30, break_when_any_done=False)
    rewards = rollout["next", "reward"].squeeze(-1)
    assert rewards.dtype == torch.float32
    assert torch.equal(rollout["next", "terminated"].squeeze(-1), rewards > 0)
    assert set(rollout["next", "episode_reward"].unique().tolist()) <= {0.0, 1.0}


def picture_client_and_env(**options):
    return TransformedEnv(
        GymWrapper(SeededGrid(0), categorical_action_encoding=True), VLMRewardTransform(grid_client(), **options)
    )


def test_frames_of_a_key_and_one_goal():
    env = picture_client_and_env(frames="image", goals="red")
    assert env.rollout(4)["next", "vlm_score"].shape[-1] == 1


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: picture_client_and_env(goals="rde"), ConfigError, "did you mean 'red'"),
        (lambda: picture_client_and_env(frames="imgae"), ConfigError, "did you mean 'image'"),
        (lambda: picture_client_and_env(goals=["red", "blue"]), ConfigError, "2 goals for 1"),
        (lambda: picture_client_and_env(frames="goal", goals="red"), InvalidFrameError, "must be uint8"),
        (
            lambda: TransformedEnv(
                TransformedEnv(GymWrapper(SeededGrid(0)), ToTensorImage(in_keys=["image"])),
                VLMRewardTransform(grid_client(), frames="image"),
                auto_unwrap=False,
            ),
            InvalidFrameError,
            "float32",
        ),
    ],
    ids=["goal", "key", "count", "no picture", "scaled"],
)
def test_what_cannot_be_paid_is_one_line(make, error, says):
    with pytest.raises(error, match=says) as raised:
        make().rollout(2)
    assert "\n" not in str(raised.value)
