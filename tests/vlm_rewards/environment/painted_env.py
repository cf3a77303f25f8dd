"""An environment that processes of their own can import in no time: it shows the frame that the action names."""

import gymnasium as gym
import numpy as np


class PaintedEnv(gym.Env):
    """Shows one of some frames; episodes end by time alone."""

    goal_id = "red"

    def __init__(self, frames, max_episode_steps):
        """Takes frames uint8 (n, H, W, 3)."""
        self._frames, self._most = frames, max_episode_steps
        self.observation_space = gym.spaces.Discrete(len(frames))
        self.action_space = gym.spaces.Discrete(len(frames))
        self._shown = self._steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._shown = self._steps = 0
        return 0, {}

    def step(self, action):
        self._shown = int(action)
        self._steps += 1
        return self._shown, 0.0, False, self._steps >= self._most, {}

    def reward_frame(self):
        return np.array(self._frames[self._shown])
