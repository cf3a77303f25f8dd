"""A tiny RewardableEnv: jump to the cell whose colour the goal names. Its reward frame embeds like a caption."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete

from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, VOCAB_SIZE, tokenize
from vlm_rewards.goals import Goal, NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}
SIZE = 4
CELL = 6
STAY = SIZE * SIZE
TASKS = TaskSet(
    name="coloured_grid",
    version="1",
    goals=tuple(Goal(id=name, subject=f"the {name} cell", instruction=f"jump to {name}") for name in COLOURS),
    unachieved_captions=("bare floor",),
)
ENCODER = FakeEncoder()


class ColouredGridEnv(gym.Env):
    """Four coloured cells and an agent on a 4 x 4 grid; an action jumps to a cell, row by row, or stays."""

    def __init__(self, terminate_on_success: bool = True, max_episode_steps: int = 8, blind: float = 0.0) -> None:
        """Makes the env.

        Args:
            terminate_on_success: whether ground truth ends the episode.
            max_episode_steps: then the episode is truncated.
            blind: probability that a reward frame shows any of the captions instead of the right one.
        """
        self.observation_space = Dict(
            image=Box(0, 255, (SIZE * CELL, SIZE * CELL, 3), np.uint8),
            goal=Box(0, VOCAB_SIZE - 1, (GOAL_LENGTH,), np.int64),
        )
        self.action_space = Discrete(SIZE * SIZE + 1)
        self._terminate = terminate_on_success
        self._max_steps = max_episode_steps
        self._blind = blind
        self._frames = {name: ENCODER.frame_of(f"Screenshot of the {name} cell on Android") for name in COLOURS}
        self._nowhere = ENCODER.frame_of("bare floor")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        cells = self.np_random.permutation(SIZE * SIZE)[: len(COLOURS) + 1]
        self.cells = {name: divmod(int(cell), SIZE) for name, cell in zip(COLOURS, cells, strict=False)}
        self.agent = divmod(int(cells[-1]), SIZE)
        self.goal_id = list(COLOURS)[self.np_random.integers(len(COLOURS))]
        self.steps, self.is_success = 0, False
        return self._observation(), self._info()

    def step(self, action):
        if action != STAY:
            self.agent = divmod(int(action), SIZE)
        self.steps += 1
        achieved = self.agent == self.cells[self.goal_id]
        first = achieved and not self.is_success
        self.is_success |= achieved
        return (
            self._observation(),
            float(first),
            bool(achieved and self._terminate),
            self.steps >= self._max_steps,
            self._info(),
        )

    def reward_frame(self):
        names = [name for name, cell in self.cells.items() if cell == self.agent]
        if self._blind and self.np_random.random() < self._blind:
            names = [[*COLOURS, None][self.np_random.integers(len(COLOURS) + 1)]]
        # A little of the step is painted in, so that no two frames are equal; the embedding hardly moves.
        frame = self._frames.get(names[0] if names else None, self._nowhere).copy()
        frame[0, 0] = (frame[0, 0] // 2) + self.steps
        return frame

    def achieved_goals(self):
        return [name for name, cell in self.cells.items() if cell == self.agent]

    def _observation(self):
        image = np.full((SIZE * CELL, SIZE * CELL, 3), 30, np.uint8)
        for name, (y, x) in self.cells.items():
            image[y * CELL : (y + 1) * CELL, x * CELL : (x + 1) * CELL] = COLOURS[name]
        y, x = (self.agent[0] * CELL + 2, self.agent[1] * CELL + 2)
        image[y : y + 2, x : x + 2] = 255
        return {"image": image, "goal": tokenize(f"jump to {self.goal_id}")}

    def _info(self):
        return {
            "is_success": self.is_success,
            "goal_achieved": self.agent == self.cells[self.goal_id],
            "goal_id": self.goal_id,
        }


class ScrambledTruth(gym.Wrapper):
    """Replaces everything that knows the truth by noise: the env's reward, both flags of its infos, goals achieved."""

    def __init__(self, env: gym.Env, seed: int = 99) -> None:
        super().__init__(env)
        self._noise = np.random.default_rng(seed)

    def reset(self, **kwargs):
        observation, info = self.env.reset(**kwargs)
        return observation, self._scrambled(info)

    def step(self, action):
        observation, _, terminated, truncated, info = self.env.step(action)
        return observation, float(self._noise.normal()), terminated, truncated, self._scrambled(info)

    def achieved_goals(self):
        return list(COLOURS)

    def _scrambled(self, info):
        flips = self._noise.random(2) < 0.5
        return {**info, "is_success": bool(flips[0]), "goal_achieved": bool(flips[1])}


def grid_reward_model() -> RewardModel:
    """The reward of the grid: right wherever the frame shows the goal's caption."""
    config = RewardConfig(model="fake", negatives=NegativesSpec(kind="goals_and_states"), tau=0.1, beta=0.9)
    return RewardModel(config, TASKS, encoder=ENCODER)


def grid_client():
    """A client with the real reward model in this process."""
    from vlm_rewards.service import InProcessTransport, RewardClient

    return RewardClient(InProcessTransport(grid_reward_model()))


def make_grid(**kwargs: Any) -> ColouredGridEnv:
    """Env creator for `ppo_config`."""
    return ColouredGridEnv(**kwargs)


def make_scrambled_grid(**kwargs: Any) -> gym.Env:
    """Env creator whose ground truth is noise."""
    return ScrambledTruth(ColouredGridEnv(**kwargs))


def grid_fns(count: int, **kwargs: Any) -> list[Callable[[], gym.Env]]:
    """Constructors for `RewardVectorEnv`."""
    return [lambda: ColouredGridEnv(**kwargs) for _ in range(count)]
