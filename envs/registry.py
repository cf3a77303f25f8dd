"""Making an environment of ours by its Gymnasium id."""

import importlib
import re
from typing import Any

import gymnasium as gym

from vlm_rewards.environment.action_memory import ActionMemoryEnv
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import near_matches

# Namespace of the Gymnasium id -> the package whose import registers the ids. Imported on demand: a phone experiment
# needs no MuJoCo, and the other way round.
DOMAINS = {"android": "envs.android", "control": "envs.control", "playhouse": "envs.playhouse"}


def make_env(env_id: str, *, remembered_actions: int | None = None, **options: Any) -> gym.Env[Any, Any]:
    """Build the environment `env_id`.

    Args:
        env_id: Gymnasium id.
        remembered_actions: How many of its last actions the agent is shown beside the picture; see `ActionMemoryEnv`.
        options: For the environment's constructor.

    Raises:
        ConfigError: Unknown id, an option that the environment does not have, or a domain whose extra is not installed.
    """
    namespace = env_id.partition("/")[0]
    if namespace not in DOMAINS:
        raise ConfigError(f"unknown environment {env_id!r}; domains are {', '.join(sorted(DOMAINS))}")
    try:
        importlib.import_module(DOMAINS[namespace])
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"environment {env_id!r} needs the Python package {error.name!r}: pip install 'vlm-rewards[{namespace}]'"
        ) from error
    if env_id not in gym.registry:
        ours = [known for known in gym.registry if known.partition("/")[0] in DOMAINS]
        raise ConfigError(f"unknown environment {env_id!r}; {near_matches(env_id, ours)}")
    try:
        # The passive checker compares every observation with the space: tests do that once, training need not.
        env = gym.make(env_id, disable_env_checker=True, **options)
    except TypeError as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unknown is None:
            raise
        raise ConfigError(
            f"environment {env_id!r} has no option {unknown[1]!r}; its constructor's docstring lists them"
        ) from error
    return env if remembered_actions is None else ActionMemoryEnv(env, remembered_actions)
