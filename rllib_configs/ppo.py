"""PPO for a goal-conditioned agent whose only reward comes from a vision-language model."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium as gym
import torch
from pydantic import Field
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module import RLModuleSpec

from vlm_rewards.errors import ConfigError
from vlm_rewards.rollout.connector import Client, RewardConnector, RewardedStep
from vlm_rewards.rollout.env_runner import RewardEnvRunner
from vlm_rewards.rollout.exploring_starts import ExploringStarts
from vlm_rewards.rollout.ground_truth_connector import GroundTruthConnector
from vlm_rewards.rollout.ppo_learner import BootstrapFreePPOLearner
from vlm_rewards.rollout.rl_module import GoalConditionedModule, GoalModuleConfig
from vlm_rewards.rollout.rllib_env import RLlibRewardVectorEnv
from vlm_rewards.strict_config import StrictConfig


class PPOHyperparameters(StrictConfig):
    """What PPO is tuned by.

    Attributes:
        train_batch_size: env steps an iteration, over all env runners.
        minibatch_size: samples in one gradient step.
        epochs: passes over each batch.
        learning_rate: of Adam.
        final_learning_rate: what it falls to, linearly, by the end of training; None keeps it. Where nearly every
            episode succeeds, normalised advantages are noise, and full steps along them unlearn what was learned.
        gamma: discount factor per step.
        gae_lambda: of generalised advantage estimation; 1 is the Monte Carlo return.
        clip: range of the probability ratio, 1 - clip to 1 + clip.
        entropy: weight of the entropy bonus.
        value_loss: weight of the value loss.
        grad_clip: largest global norm of a gradient.
    """

    train_batch_size: int = Field(default=1024, ge=1)
    minibatch_size: int = Field(default=256, ge=1)
    epochs: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    final_learning_rate: float | None = Field(default=None, gt=0)
    gamma: float = Field(default=0.9, ge=0, le=1)
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    clip: float = Field(default=0.3, gt=0)
    entropy: float = Field(default=0.01, ge=0)
    value_loss: float = Field(default=0.5, ge=0)
    grad_clip: float = Field(default=0.5, gt=0)


def ppo_config(
    *,
    env: str | Callable[..., gym.Env],
    env_kwargs: Mapping[str, Any],
    client_factory: Callable[[], Client] | None,
    hyperparameters: PPOHyperparameters | None = None,
    total_env_steps: int | None = None,
    module: GoalModuleConfig | None = None,
    num_env_runners: int = 0,
    num_envs_per_env_runner: int = 16,
    seed: int = 0,
    torch_threads: int | None = None,
    exploring_starts: ExploringStarts | None = None,
    recorder: Callable[[RewardedStep], None] | None = None,
    sample_timeout_s: float = 600.0,
) -> PPOConfig:
    """Returns a PPO on RLlib's new API stack, ready to `build_algo()`.

    Failures are not papered over: an env runner's error ends `Algorithm.train()` with that error, nothing is restarted
    behind one's back. Check each result with `vlm_rewards.rollout.health.check`. Evaluation runners, should one be
    configured, see the env's ground truth and no reward model.

    Args:
        env: Gymnasium id with the module that registers it in front, or a callable; see `RLlibRewardVectorEnv`.
        env_kwargs: of the env. `terminate_on_success` is set here: False in training on a reward model, so that ground
            truth never ends an episode, and True otherwise.
        client_factory: makes the `RewardClient` in each env runner; must be picklable. None trains on the env's own
            reward instead: the agent to compare with.
        hyperparameters: of the algorithm.
        total_env_steps: length of the training, over which the learning rate falls.
        module: of the agent's networks.
        num_env_runners: remote processes that sample; 0 samples in the caller's process, which saves the transport of
            episodes and is the fastest on two cores.
        num_envs_per_env_runner: sub-environments stepped together, whose frames share one reward request.
        seed: of weights, exploration and envs. Equal seeds give equal weights, bit by bit, on one machine with
            equal `torch_threads`.
        torch_threads: of the learner's process; None leaves them as they are.
        exploring_starts: begins some training episodes elsewhere; see `ExploringStarts`.
        recorder: called with every rewarded vector step, in the env runner; must be picklable.
        sample_timeout_s: longest wait for remote env runners. Longer than any reward client's deadline, so that a
            slow service shows up as the client's error and not as missing samples.

    Returns:
        The configuration, not frozen: change what you like.
    """
    hyper = hyperparameters or PPOHyperparameters()
    training_env = {
        "env": env,
        "env_kwargs": {**env_kwargs, "terminate_on_success": client_factory is None},
        "exploring_starts": exploring_starts,
    }
    evaluation_env = {
        "env": env,
        "env_kwargs": {**env_kwargs, "terminate_on_success": True},
        "exploring_starts": None,
    }
    return (
        PPOConfig()
        .environment(env=RLlibRewardVectorEnv, env_config=training_env)
        .env_runners(
            env_runner_cls=RewardEnvRunner,
            num_env_runners=num_env_runners,
            num_envs_per_env_runner=num_envs_per_env_runner,
            gym_env_vectorize_mode="vector_entry_point",
            env_to_module_connector=_ground_truth_connector
            if client_factory is None
            else partial(_reward_connector, client_factory, recorder),
            sample_timeout_s=sample_timeout_s,
        )
        .learners(num_learners=0)
        .rl_module(
            rl_module_spec=RLModuleSpec(
                module_class=GoalConditionedModule,
                model_config=(module or GoalModuleConfig()).to_model_config(),
            )
        )
        .training(
            learner_class=BootstrapFreePPOLearner,
            train_batch_size_per_learner=hyper.train_batch_size,
            minibatch_size=hyper.minibatch_size,
            num_epochs=hyper.epochs,
            lr=_learning_rate(hyper, total_env_steps),
            gamma=hyper.gamma,
            lambda_=hyper.gae_lambda,
            clip_param=hyper.clip,
            entropy_coeff=hyper.entropy,
            vf_loss_coeff=hyper.value_loss,
            grad_clip=hyper.grad_clip,
            grad_clip_by="global_norm",
            # The clipped objective bounds a step already; a second, adaptive bound only makes runs harder to compare.
            use_kl_loss=False,
        )
        .fault_tolerance(
            restart_failed_env_runners=False,
            ignore_env_runner_failures=False,
            restart_failed_sub_environments=False,
        )
        .evaluation(
            evaluation_config=AlgorithmConfig.overrides(_env_to_module_connector=None, env_config=evaluation_env)
        )
        .callbacks(on_algorithm_init=partial(_set_threads, torch_threads))
        .debugging(seed=seed)
    )


def _learning_rate(hyper: PPOHyperparameters, total_env_steps: int | None) -> float | list[list[float]]:
    """Returns a constant, or RLlib's schedule of (env steps, rate) points."""
    if hyper.final_learning_rate is None:
        return hyper.learning_rate
    if total_env_steps is None:
        raise ConfigError("final_learning_rate needs total_env_steps; give the length of the training")
    return [[0, hyper.learning_rate], [total_env_steps, hyper.final_learning_rate]]


def _reward_connector(
    client_factory: Callable[[], Client],
    recorder: Callable[[RewardedStep], None] | None,
    env: Any,
    spaces: Any,
    device: Any,
) -> RewardConnector:
    return RewardConnector(client_factory, env=env, recorder=recorder)


def _ground_truth_connector(env: Any, spaces: Any, device: Any) -> GroundTruthConnector:
    return GroundTruthConnector(env=env)


def _set_threads(torch_threads: int | None, *, algorithm: Algorithm, **kwargs: Any) -> None:
    # Ray starts its workers with one thread each, a Tune trial's learner among them.
    if torch_threads is not None:
        torch.set_num_threads(torch_threads)
