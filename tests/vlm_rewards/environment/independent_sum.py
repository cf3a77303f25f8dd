"""What episodes of the grid earn, summed up without any vector environment or wrapper of the reward.

The sum comes from single environments that are told when to reset, and from the reward model asked frame by frame.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from tests.vlm_rewards.environment.grid_env import STAY, ColouredGridEnv, grid_client, grid_reward_model
from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.environment.vlm_reward_vec_env import VLMRewardVecEnv

COUNT, SEED = 3, 3
NEXT, SAME, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
# Long enough for several episodes of each kind of end.
ACTIONS = np.random.default_rng(2).integers(0, STAY + 1, (40, COUNT))
MODES = {
    "own": NEXT,
    "sync-next": NEXT,
    "sync-same": SAME,
    "disabled": DISABLED,
    "async-next": NEXT,
    "async-same": SAME,
}


class Grid(ColouredGridEnv):
    """The grid, ended by time and reward alone; it can be steered by a number, and shows itself."""

    def __init__(self, continuous=False, pictures_only=False, numbers_only=False):
        super().__init__(terminate_on_success=False, max_episode_steps=5)
        self.render_mode = "rgb_array"
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 100_000}
        self._continuous, self._pictures_only, self._numbers_only = continuous, pictures_only, numbers_only
        if continuous:
            self.action_space = Box(0, STAY, (1,), np.float32)
        if pictures_only:
            self.observation_space = self.observation_space["image"]

    def step(self, action):
        return super().step(round(float(action[0])) if self._continuous else action)

    def _info(self):
        return {key: value for key, value in super()._info().items() if key != "goal_id" or not self._numbers_only}

    def render(self):
        return ColouredGridEnv._observation(self)["image"]

    def _observation(self):
        return self.render() if self._pictures_only else super()._observation()


def build(kind, inside=lambda env: env, **options):
    """The reward over each kind of vector environment that takes it."""
    makers = [functools.partial(Grid, **options) for _ in range(COUNT)]
    if kind == "own":
        return VLMRewardVecEnv(inside(RewardVectorEnv(makers)), grid_client())
    base = AsyncVectorEnv if kind.startswith("async") else SyncVectorEnv
    env = base(makers, autoreset_mode=NEXT if kind.endswith("next") else DISABLED)
    return VLMRewardVecEnv(inside(env), grid_client(), autoreset=kind != "disabled")


@dataclass(frozen=True)
class Played:
    """What came out of `ACTIONS`, step by step, and the episodes (index, return, length) that ended, in order."""

    observations: list[Any]
    rewards: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray
    episodes: list[tuple[int, float, int]]


@functools.cache
def expected(mode) -> Played:
    """The independent play: observations are lists of dicts."""
    model, singles = grid_reward_model(), [Grid() for _ in range(COUNT)]
    for index, single in enumerate(singles):
        single.reset(seed=SEED + index)
    over, sums, lengths = [False] * COUNT, [0.0] * COUNT, [0] * COUNT
    steps, episodes = [], []
    for actions in ACTIONS:
        shown, rows = [], []
        for index, single in enumerate(singles):
            if over[index]:
                over[index] = False
                shown.append(single.reset()[0])
                rows.append((0.0, False, False))
                continue
            observation, _, _, truncated, _ = single.step(actions[index])
            reward = float(model.score(single.reward_frame()[None], [single.goal_id])[0] > model.beta)
            sums[index] += reward
            lengths[index] += 1
            rows.append((reward, reward > 0, truncated))
            if reward or truncated:
                episodes.append((index, sums[index], lengths[index]))
                sums[index], lengths[index] = 0.0, 0
                if mode == NEXT:
                    over[index] = True
                else:
                    fresh, _ = single.reset()
                    observation = fresh if mode == SAME else observation
            shown.append(observation)
        steps.append((shown, *zip(*rows, strict=True)))
    shown, *rest = zip(*steps, strict=True)
    return Played(list(shown), *(np.array(part) for part in rest), episodes)


def played(env, mode, act=lambda actions: actions):
    """The same from outside a wrapped environment, of which only Gymnasium's interface is known."""
    env.reset(seed=SEED)
    resetting = np.zeros(COUNT, bool)
    sums, lengths = np.zeros(COUNT), np.zeros(COUNT, int)
    steps, episodes = [], []
    for actions in ACTIONS:
        observations, *rest, _ = env.step(act(actions.copy()))
        rewards, terminations, truncations = (np.array(part) for part in rest)
        steps.append((observations, rewards, terminations, truncations))
        sums[~resetting] += rewards[~resetting]
        lengths[~resetting] += 1
        done = terminations | truncations
        for index in np.flatnonzero(done):
            episodes.append((int(index), float(sums[index]), int(lengths[index])))
            sums[index], lengths[index] = 0, 0
        resetting = done if mode == NEXT else np.zeros(COUNT, bool)
        if mode == DISABLED and done.any():
            env.reset(options={"reset_mask": done})
    env.close()
    shown, *rest = zip(*steps, strict=True)
    return Played(list(shown), *(np.array(part) for part in rest), episodes)
