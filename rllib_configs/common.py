"""What all algorithms share: the env, the reward, the agent's networks, what is survived and what is not."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar

import gymnasium as gym
import torch
from pydantic import Field
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module import RLModuleSpec

from vlm_rewards.environment.exploring_starts import ExploringStarts
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.connector import Client, RewardConnector, RewardedStep
from vlm_rewards.rllib.elastic import make_elastic
from vlm_rewards.rllib.env_runner import RewardEnvRunner
from vlm_rewards.rllib.eye_learner import AddEyeTargets
from vlm_rewards.rllib.ground_truth_connector import GroundTruthConnector
from vlm_rewards.rllib.process_memory import keep_freed_memory
from vlm_rewards.rllib.rl_module import GoalConditionedModule, GoalModuleConfig
from vlm_rewards.rllib.rllib_env import RLlibRewardVectorEnv
from vlm_rewards.rllib.training_goals import TrainingGoals
from vlm_rewards.strict_config import StrictConfig

Config = TypeVar("Config", bound=AlgorithmConfig)


class CommonHyperparameters(StrictConfig):
    """What every algorithm here is tuned by, and how it is built.

    Attributes:
        name: The algorithm's name in presets.
        is_asynchronous: Whether it samples while it learns. Then it needs an env runner, equal seeds do not give equal
            weights, and learner results may lag (`health.check` wants to be told).
        train_batch_size: Env steps in one batch of the learner, over all env runners.
        learning_rate: Adam's step size.
        final_learning_rate: What it falls to, linearly, by the end of training; None keeps it. Where nearly every
            episode succeeds, normalised advantages are noise, and full steps along them unlearn what was learned.
        gamma: Discount factor per step.
        grad_clip: Largest global norm of a gradient.
    """

    name: str
    is_asynchronous: ClassVar[bool] = False

    train_batch_size: int = Field(default=1024, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    final_learning_rate: float | None = Field(default=None, gt=0)
    gamma: float = Field(default=0.9, ge=0, le=1)
    grad_clip: float = Field(default=0.5, gt=0)

    @property
    def iteration_env_steps(self) -> int:
        """Fewest env steps that one `Algorithm.train()` samples: what `health.check` is told to expect."""
        return self.train_batch_size

    @property
    def learner_may_lag(self) -> bool:
        """Whether an iteration may pass without a learner update."""
        return self.is_asynchronous

    @property
    def scores_all_goals(self) -> bool:
        """Whether the algorithm wants each frame's reward for every training goal."""
        return False

    def make_config(self, **agent: Any) -> AlgorithmConfig:
        """Return the algorithm's configuration, ready to `build_algo()` and not frozen: change what you like.

        Args:
            agent: Env, reward, networks and sampling: the keyword arguments of `agent_config`.

        Raises:
            ConfigError: What the algorithm cannot work with.
        """
        raise NotImplementedError


class ActorCriticHyperparameters(CommonHyperparameters):
    """What algorithms with a policy and a value function are tuned by.

    Attributes:
        entropy: Weight of the entropy bonus.
        value_loss: Weight of the value loss.
    """

    entropy: float = Field(default=0.01, ge=0)
    value_loss: float = Field(default=0.5, ge=0)


def agent_config(
    config: Config,
    hyperparameters: CommonHyperparameters,
    *,
    env: str | Callable[..., gym.Env[Any, Any]],
    env_kwargs: Mapping[str, Any],
    client_factory: Callable[[], Client] | None,
    total_env_steps: int | None = None,
    module: GoalModuleConfig | None = None,
    module_class: type[GoalConditionedModule] = GoalConditionedModule,
    module_settings: Mapping[str, Any] | None = None,
    goals: TrainingGoals | None = None,
    num_env_runners: int = 0,
    num_envs_per_env_runner: int = 16,
    num_gpus_per_env_runner: float = 0,
    num_learners: int = 0,
    num_gpus_per_learner: float = 0,
    seed: int = 0,
    torch_threads: int | None = None,
    compile_learner: bool = False,
    exploring_starts: ExploringStarts | None = None,
    recorder: Callable[[RewardedStep], None] | None = None,
    sample_timeout_s: float = 600.0,
    min_env_runners_share: float = 0.5,
) -> Config:
    """Return an algorithm's configuration with everything in it that does not depend on the algorithm.

    Failures are not papered over: what the env or the reward raises ends `Algorithm.train()` with that error. A remote
    env runner whose process or node is gone is replaced, and says so (`vlm_rewards.rllib.elastic`). Check each result
    with `vlm_rewards.rllib.health.check`. Evaluation runners, should one be configured, see the env's ground truth and
    no reward model.

    Args:
        config: Config of the algorithm, as RLlib makes it.
        hyperparameters: Hyperparameters of the algorithm.
        env: Gymnasium id with the module that registers it in front, or a callable; see `RLlibRewardVectorEnv`.
        env_kwargs: Arguments of the environment. `terminate_on_success` is set here: False in training on a reward
            model, so that ground truth never ends an episode, and True otherwise.
        client_factory: Makes the `RewardClient` in each env runner; must be picklable. None trains on the env's own
            reward instead: the agent to compare with.
        total_env_steps: Length of the training, over which the learning rate falls.
        module: Module of the agent's networks.
        module_class: The kind of networks that the algorithm learns.
        module_settings: Further settings of that kind.
        goals: The training goals, which hindsight and the eye need; with captions for the eye.
        num_env_runners: Remote processes that sample; 0 samples in the caller's process, which saves the transport of
            episodes and is the fastest on two cores. Asynchronous algorithms need at least one.
        num_envs_per_env_runner: Sub-environments stepped together, whose frames share one reward request.
        num_gpus_per_env_runner: GPUs of each remote env runner, for a reward model that computes in it.
        num_learners: Remote processes that learn, each from an equal share of a batch; 0 learns in the caller's
            process.
        num_gpus_per_learner: GPUs of each of them, or of the caller's process; may be fractional.
        seed: Seed of weights, exploration and envs. Equal seeds give equal weights, bit by bit, on one machine with
            equal `torch_threads`; not so for asynchronous algorithms, where it is a race which sample comes first.
        torch_threads: Torch threads of the learner's process; None leaves them as they are.
        compile_learner: Compile the learner's forward and backward pass by TorchInductor. That needs batches of one
            size: no recurrence, no asynchronous algorithm, and one learner.
        exploring_starts: Begins some training episodes elsewhere; see `ExploringStarts`.
        recorder: Called with every rewarded vector step, in the env runner; must be picklable.
        sample_timeout_s: Longest wait for remote env runners. Longer than any reward client's deadline, so that a
            slow service shows up as the client's error and not as missing samples.
        min_env_runners_share: Share of the remote env runners below which the training waits for lost ones to come
            back, in (0, 1]. While some are missing the others sample more rounds for a batch.

    Returns:
        The configuration, not frozen: change what you like.

    Raises:
        ConfigError: A learning rate that falls, and no length of the training; hindsight or an eye without what they
            need; a batch that the learners cannot share; or a compiled learner whose batches differ in size.
    """
    module = module or GoalModuleConfig()
    _check_learners(hyperparameters, num_learners, num_gpus_per_learner)
    _check_eye(module, goals)
    if compile_learner and not compiles(hyperparameters, module, num_learners):
        raise ConfigError(
            "a compiled learner needs batches of one size, which a recurrent agent, an asynchronous algorithm and "
            "several learners do not have; leave sampling.compile_learner out"
        )
    all_goals = goals if hyperparameters.scores_all_goals else None
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
    # Its fluent methods take what the algorithm at hand has, which their types do not say.
    fluent: Any = config
    configured: Config = (
        fluent.framework(torch_compile_learner=compile_learner)
        .environment(env=RLlibRewardVectorEnv, env_config=training_env)
        .env_runners(
            env_runner_cls=RewardEnvRunner,
            num_env_runners=num_env_runners,
            num_envs_per_env_runner=num_envs_per_env_runner,
            num_gpus_per_env_runner=num_gpus_per_env_runner,
            gym_env_vectorize_mode="vector_entry_point",
            env_to_module_connector=partial(_ground_truth_connector, all_goals)
            if client_factory is None
            else partial(_reward_connector, client_factory, recorder, all_goals, module.eye is not None),
            sample_timeout_s=sample_timeout_s,
        )
        .learners(num_learners=num_learners, num_gpus_per_learner=num_gpus_per_learner)
        .rl_module(
            rl_module_spec=RLModuleSpec(
                module_class=module_class,
                model_config={
                    **module.to_model_config(),
                    **(module_settings or {}),
                    "eye_outputs": goals.eye_outputs if goals is not None and module.eye is not None else 0,
                },
            )
        )
        .training(
            train_batch_size_per_learner=max(1, hyperparameters.train_batch_size // max(1, num_learners)),
            lr=_learning_rate(hyperparameters, total_env_steps),
            gamma=hyperparameters.gamma,
            grad_clip=hyperparameters.grad_clip,
            grad_clip_by="global_norm",
        )
        # Not RLlib's own restarts, which take an env that raises for one that died.
        .fault_tolerance(
            restart_failed_env_runners=False,
            ignore_env_runner_failures=False,
            restart_failed_sub_environments=False,
        )
        .evaluation(
            evaluation_config=AlgorithmConfig.overrides(_env_to_module_connector=None, env_config=evaluation_env)
        )
        .callbacks(on_algorithm_init=partial(_prepare, torch_threads, min_env_runners_share))
        .debugging(seed=seed)
    )
    return configured


def compiles(hyperparameters: CommonHyperparameters, module: GoalModuleConfig, num_learners: int) -> bool:
    """Return whether a learner's batches have one size, so that its networks need be compiled once."""
    return not (hyperparameters.is_asynchronous or module.recurrent or num_learners > 1)


def eye_targets(
    *, goals: TrainingGoals | None = None, module: GoalModuleConfig | None = None, **agent: Any
) -> Callable[[Any, Any], AddEyeTargets] | None:
    """Return the piece of a learner's pipeline that an on-policy algorithm's eye needs, or None without an eye."""
    if goals is None or module is None or module.eye is None:
        return None
    return partial(_eye_targets, goals)


def _eye_targets(goals: TrainingGoals, space: Any, action_space: Any) -> AddEyeTargets:
    return AddEyeTargets(goals)


def _learning_rate(hyper: CommonHyperparameters, total_env_steps: int | None) -> float | list[list[float]]:
    """Return a constant, or RLlib's schedule of (env steps, rate) points."""
    if hyper.final_learning_rate is None:
        return hyper.learning_rate
    if total_env_steps is None:
        raise ConfigError("final_learning_rate needs total_env_steps; give the length of the training")
    return [[0, hyper.learning_rate], [total_env_steps, hyper.final_learning_rate]]


def _reward_connector(
    client_factory: Callable[[], Client],
    recorder: Callable[[RewardedStep], None] | None,
    goals: TrainingGoals | None,
    embeds: bool,
    env: Any,
    spaces: Any,
    device: Any,
) -> RewardConnector:
    return RewardConnector(client_factory, env=env, recorder=recorder, goals=goals, embeds=embeds)


def _ground_truth_connector(goals: TrainingGoals | None, env: Any, spaces: Any, device: Any) -> GroundTruthConnector:
    return GroundTruthConnector(env=env, goals=goals)


def _check_eye(module: GoalModuleConfig, goals: TrainingGoals | None) -> None:
    if module.eye is not None and (goals is None or goals.captions is None):
        raise ConfigError(
            "the agent's eye learns from the reward model's embeddings and captions, and there are none; "
            "train on a reward model, or leave agent.eye out"
        )


def _check_learners(hyperparameters: CommonHyperparameters, num_learners: int, num_gpus_per_learner: float) -> None:
    if num_learners and hyperparameters.train_batch_size % num_learners:
        raise ConfigError(
            f"train_batch_size {hyperparameters.train_batch_size} cannot be shared equally by {num_learners} learners; "
            "set algorithm.train_batch_size to a multiple of sampling.num_learners"
        )
    if num_gpus_per_learner > 1 and num_gpus_per_learner != int(num_gpus_per_learner):
        raise ConfigError(
            f"num_gpus_per_learner is {num_gpus_per_learner:g}: a learner has a share of one GPU (0.5) or whole ones; "
            "set sampling.num_gpus_per_learner so"
        )


def _prepare(torch_threads: int | None, min_env_runners_share: float, *, algorithm: Algorithm, **kwargs: Any) -> None:
    make_elastic(algorithm, min_env_runners_share)
    keep_freed_memory()
    # Ray starts its workers with one thread each, a Tune trial's learner among them.
    if torch_threads is not None:
        torch.set_num_threads(torch_threads)
