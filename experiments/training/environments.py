"""The environments of a run: which goals they have, and how evaluation builds them."""

from typing import Any

import gymnasium as gym

from envs.registry import make_env
from experiments.training.config import TrainConfig
from vlm_rewards.goals import TaskSet


def task_set_of(config: TrainConfig) -> TaskSet:
    """Return the goals of a run's environment.

    Raises:
        ConfigError: The environment refuses its options.
    """
    # Ground truth ends no episode of an agent that must not know it.
    options = {**config.environment.options, "terminate_on_success": config.uses_ground_truth}
    env = make_env(config.environment.id, **options)
    try:
        task_set: TaskSet = env.get_wrapper_attr("task_set")
        return task_set
    finally:
        env.close()


def evaluation_env(config: TrainConfig, **options: Any) -> gym.Env[Any, Any]:
    """Build one environment as evaluation uses it: unseen content, and ground truth ends the episode.

    Args:
        config: The run's settings.
        options: Further options of the environment's constructor.

    Raises:
        ConfigError: The environment refuses its options.
    """
    environment = config.environment
    both = {**environment.options, **environment.evaluation_options}
    return make_env(environment.id, **{**both, "terminate_on_success": True, **options})
