"""One time limit: Gymnasium's own where one is asked for, and the preset's where none is."""

from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import TimeLimit

from envs.playhouse.env import PlayhouseEnv


class OneTimeLimit(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Lifts the preset's time limit where `gymnasium.make(..., max_episode_steps=N)` has set another.

    Gymnasium keeps that argument to itself and cuts episodes from outside, which a longer N could not do if the
    environment cut them before. It puts this wrapper around its own.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        """Look for Gymnasium's limit among the wrappers within."""
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        layer = env
        while isinstance(layer, gym.Wrapper):
            if isinstance(layer, TimeLimit) and isinstance(env.unwrapped, PlayhouseEnv):
                env.unwrapped.lift_time_limit()
            layer = layer.env
