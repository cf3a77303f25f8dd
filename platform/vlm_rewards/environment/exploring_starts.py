"""Training episodes that start elsewhere, so that what is hard to reach gets explored."""

from typing import Any

import gymnasium as gym
from pydantic import Field

from vlm_rewards.strict_config import StrictConfig


class ExploringStarts(StrictConfig):
    """Which actions are taken before an episode begins, and how often.

    A goal that takes a rare action followed by a right one (a swipe to the launcher's second page, then a tap) is hit
    by a random policy in a few episodes of a thousand, and whether PPO ever picks it up is luck. If some training
    episodes begin behind the rare action, the right one is learned there, and the way there follows from its value.
    Evaluation episodes start as the env starts them.

    Attributes:
        actions: Drawn from uniformly, for example the swipes.
        max_actions: Most actions before an episode; their number is drawn uniformly from 1 to this.
        probability: Probability of an episode to begin so.
    """

    actions: tuple[int, ...] = Field(min_length=1)
    max_actions: int = Field(default=1, ge=1)
    probability: float = Field(default=0.5, ge=0, le=1)


class ExploringStartsEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Applies `ExploringStarts` to a single env.

    The actions taken count towards the env's own limit of steps; their rewards are lost. An episode that is over before
    it begins is started again, as usual. The draws come from the env's own generator, so a seed fixes them too.
    """

    def __init__(self, env: gym.Env[Any, Any], starts: ExploringStarts) -> None:
        """Wrap an env with discrete actions."""
        super().__init__(env)
        self._starts = starts

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode, elsewhere with the configured probability."""
        observation, info = self.env.reset(seed=seed, options=options)
        rng, starts = self.np_random, self._starts
        if rng.random() >= starts.probability:
            return observation, info
        for _ in range(int(rng.integers(1, starts.max_actions + 1))):
            action = starts.actions[int(rng.integers(len(starts.actions)))]
            observation, _, terminated, truncated, info = self.env.step(action)
            if terminated or truncated:
                return self.env.reset(options=options)
        return observation, info
