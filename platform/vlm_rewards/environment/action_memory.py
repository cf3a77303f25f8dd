"""What the agent did last, as part of what it observes."""

from typing import Any

import gymnasium as gym
import numpy as np

from vlm_rewards.errors import ConfigError

PAST_ACTIONS = "past_actions"
"""Key of the observation that holds them."""


def remembered_actions(space: gym.Space[Any] | None) -> int:
    """Return how many past actions an agent's observations hold; 0 for none."""
    past = space.spaces.get(PAST_ACTIONS) if isinstance(space, gym.spaces.Dict) else None
    return 0 if past is None or past.shape is None else int(past.shape[0])


def with_past_actions(space: gym.spaces.Dict, remembered: int, actions: int) -> gym.spaces.Dict:
    """Return a space of observations that also hold the last of so many discrete actions; itself for none remembered.

    Args:
        space: The observations' own.
        remembered: How many are remembered, K.
        actions: Number of discrete actions.
    """
    if not remembered:
        return space
    return gym.spaces.Dict({**space.spaces, PAST_ACTIONS: gym.spaces.Box(0, actions, (remembered,), np.int64)})


class ActionMemoryEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Adds the last K actions to a Dict observation, the latest first: int64 (K,), action a as a + 1, 0 for none.

    Without them an agent that sees nothing of its goal cannot tell where it has looked already: two views of the same
    bare wall ask for the same action, and it turns to and fro between them.

    Attributes:
        observation_space: The env's own, with `past_actions` beside it.
    """

    def __init__(self, env: gym.Env[Any, Any], actions: int) -> None:
        """Wrap an env.

        Args:
            env: Has Dict observations and discrete actions.
            actions: How many are remembered, K, at least 1.

        Raises:
            ConfigError: An env or a number that this is not for.
        """
        super().__init__(env)
        if not isinstance(actions, int) or actions < 1:
            raise ConfigError(f"remembered_actions is {actions!r}; give a whole number of at least 1, or leave it out")
        if not isinstance(env.action_space, gym.spaces.Discrete):
            raise ConfigError(f"remembered_actions needs discrete actions, not {env.action_space}; leave it out")
        assert isinstance(env.observation_space, gym.spaces.Dict)
        self.observation_space = with_past_actions(env.observation_space, actions, int(env.action_space.n))
        self._past = np.zeros(actions, np.int64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode, with no action to remember."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._past[:] = 0
        return self._with_past(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step, and remember it."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._past = np.concatenate([[int(action) + 1], self._past[:-1]])
        return self._with_past(observation), reward, terminated, truncated, info

    def _with_past(self, observation: dict[str, Any]) -> dict[str, Any]:
        return {**observation, PAST_ACTIONS: self._past.copy()}
