"""The vector env as RLlib wants to build it: a class that takes one context."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium as gym

from vlm_rewards.environment.exploring_starts import ExploringStarts, ExploringStartsEnv
from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.errors import ConfigError


class RLlibRewardVectorEnv(RewardVectorEnv):
    """A `RewardVectorEnv` made from RLlib's env context.

    Give the class itself to `AlgorithmConfig.environment(env=...)`, with `gym_env_vectorize_mode="vector_entry_point"`.
    A name registered with Tune would have to be registered again before a checkpoint can be restored; a class need not.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        """Build the sub-environments.

        Args:
            context: `env` is a Gymnasium id, best with the module that registers it in front
                ("envs.android:android/OpenApp-v0"), or a callable that returns a `gymnasium.Env`; `env_kwargs` are
                its keyword arguments; `num_envs` is the number of copies; `exploring_starts` may be left out.

        Raises:
            ConfigError: No such env, or arguments that it does not take.
        """
        env, kwargs = context["env"], dict(context["env_kwargs"])
        make = env if callable(env) else partial(gym.make, env, disable_env_checker=True)
        starts = context.get("exploring_starts")
        try:
            super().__init__([partial(_started, make, kwargs, starts)] * int(context["num_envs"]))
        except (gym.error.Error, ModuleNotFoundError, TypeError) as error:
            raise ConfigError(f"cannot build the env {env!r} with {kwargs}: {error}") from error


def _started(
    make: Callable[..., gym.Env[Any, Any]], kwargs: dict[str, Any], starts: ExploringStarts | None
) -> gym.Env[Any, Any]:
    env = make(**kwargs)
    return env if starts is None else ExploringStartsEnv(env, starts)
