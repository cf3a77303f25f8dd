"""The environments of a run: which goals they have, and how evaluation builds them."""

from typing import Any, cast

import gymnasium as gym
from gymnasium.spaces import Dict

from envs.registry import make_env
from experiments.training.config import TrainConfig
from rllib_configs.replaying import ReplayHyperparameters
from vlm_rewards.environment.action_memory import remembered_actions
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.rllib.replay_memory import check_fits
from vlm_rewards.rllib.replay_settings import replay_bytes
from vlm_rewards.rllib.training_goals import TrainingGoals


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


def training_goals(
    config: TrainConfig, task_set: TaskSet, description: RewardDescription | None
) -> TrainingGoals | None:
    """Return the training goals that hindsight relabels with, with captions where there is an eye to teach.

    Args:
        config: The run's settings.
        task_set: Task set of its environment.
        description: The reward model's; None for the environment's own reward.

    Returns:
        The goals; None for a run without hindsight and without an eye.

    Raises:
        ConfigError: The reward cannot score all of them, or another encoder than the reward's would read the captions.
    """
    if not config.algorithm.scores_all_goals and config.agent.eye is None:
        return None
    goals = TrainingGoals.of(task_set)
    if description is not None and config.algorithm.scores_all_goals:
        goals.check_scored_by(description)
    if config.agent.eye is None or description is None:
        return goals
    encoder = config.reward_model.load_encoder()
    if encoder.fingerprint != description.encoder_fingerprint:
        raise ConfigError(
            f"agent.eye compares embeddings of the service's encoder ({description.encoder_fingerprint[:12]}) with "
            f"captions read here by another one ({encoder.fingerprint[:12]}); name reward.model, precision and encoder "
            "as they are served, or leave agent.eye out"
        )
    env = make_env(config.environment.id, **config.environment.options)
    try:
        words = env.get_wrapper_attr("not_yet_captions") if env.has_wrapper_attr("not_yet_captions") else None
        return goals.captioned(task_set, config.reward_model.template, words, encoder)
    finally:
        env.close()


def replay_in_words(config: TrainConfig, goals: TrainingGoals | None) -> str | None:
    """Return the size of the replay that a run's algorithm will have, such as "0.77 GB of 16.1 GB memory", or None.

    Raises:
        ConfigError: It does not fit into memory.
    """
    if not isinstance(config.algorithm, ReplayHyperparameters):
        return None
    env = make_env(config.environment.id, **config.environment.options)
    try:
        space = cast(Dict, env.observation_space)
    finally:
        env.close()
    settings = config.algorithm.replay_settings
    size = replay_bytes(settings, space["image"].shape or (), goals, remembered_actions(space))
    return check_fits(size, settings.capacity)


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
