"""Building an environment by a Gymnasium id that a stranger gives."""

import importlib
from collections.abc import Callable
from typing import Any

import gymnasium as gym

from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import parse_yaml


def maker_of(env_id: str, options: str = "{}") -> Callable[..., gym.Env[Any, Any]]:
    """Return what builds an environment, without Gymnasium's wrappers.

    Args:
        env_id: Gymnasium id; the part before a colon is imported first.
        options: Settings of its constructor, as YAML.

    Raises:
        ConfigError: There is no such id, its module cannot be imported, or the settings are no mapping.
    """
    settings = parse_yaml(options)
    if not isinstance(settings, dict):
        raise ConfigError(f"--options is {options!r}; give YAML such as '{{goal_id: gmail}}'")
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        gym.spec(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"environment {env_id!r} needs the module {error.name!r}; install it, or start where it can be imported"
        ) from error
    except gym.error.Error as error:
        raise ConfigError(
            f"{' '.join(str(error).split())} Give an id as 'module:Name-v0', where importing the module registers it"
        ) from error

    def make(**more: Any) -> gym.Env[Any, Any]:
        return gym.make(name, disable_env_checker=True, **{**settings, **more})

    return make
