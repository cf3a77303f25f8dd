"""What IMPALA and APPO share: env runners that sample while the learner learns, and V-trace to make up for it."""

from typing import Any, ClassVar, TypeVar

from pydantic import Field
from ray.rllib.algorithms.impala import IMPALAConfig

from rllib_configs.common import ActorCriticHyperparameters, agent_config
from vlm_rewards.errors import ConfigError

Config = TypeVar("Config", bound=IMPALAConfig)

# Seconds that one look at the env runners lasts at most. RLlib's 0 turns the driver into a loop that never sleeps,
# on a core that the env runners or the reward service could use.
_POLL_S = 0.05


class AsyncHyperparameters(ActorCriticHyperparameters):
    """What the asynchronous algorithms are tuned by, besides what all are; `train_batch_size` is one update.

    Attributes:
        rollout_fragment_length: Steps of each sub-environment in one sample of an env runner, and the longest stretch
            over which V-trace sums rewards before it relies on the value function.
        rho_clip: Upper bound of V-trace's importance weights, both those of the targets and those of the policy
            gradient (the IMPALA paper's rho bar).
        report_env_steps: Fewest env steps in one result of `Algorithm.train()`; at least a batch.
    """

    is_asynchronous: ClassVar[bool] = True

    train_batch_size: int = Field(default=256, ge=1)
    rollout_fragment_length: int = Field(default=16, ge=1)
    rho_clip: float = Field(default=1.0, gt=0)
    report_env_steps: int = Field(default=1024, ge=1)

    @property
    def iteration_env_steps(self) -> int:
        """Fewest env steps that one `Algorithm.train()` samples: what `health.check` is told to expect."""
        return max(self.train_batch_size, self.report_env_steps)


def async_config(
    config: Config,
    hyperparameters: AsyncHyperparameters,
    *,
    num_env_runners: int = 0,
    num_envs_per_env_runner: int = 16,
    **agent: Any,
) -> Config:
    """Return `agent_config` with what the asynchronous algorithms add.

    Args:
        config: Config of the algorithm, as RLlib makes it.
        hyperparameters: Hyperparameters of the algorithm.
        num_env_runners: Remote processes that sample; at least 1.
        num_envs_per_env_runner: Sub-environments stepped together.
        agent: The other keyword arguments of `agent_config`.

    Raises:
        ConfigError: No env runner, one whose sample is larger than a batch, or an eye.
    """
    if num_env_runners < 1:
        raise ConfigError(
            "an asynchronous algorithm learns while env runners sample, and there are none; "
            "set sampling.num_env_runners >= 1, or train with ppo"
        )
    sample = hyperparameters.rollout_fragment_length * num_envs_per_env_runner
    if sample > hyperparameters.train_batch_size:
        raise ConfigError(
            f"one sample of an env runner is {sample} steps (rollout_fragment_length "
            f"{hyperparameters.rollout_fragment_length} x {num_envs_per_env_runner} envs), more than train_batch_size "
            f"{hyperparameters.train_batch_size}; shorten the fragments or enlarge the batch"
        )
    if getattr(agent.get("module"), "eye", None) is not None:
        raise ConfigError("agent.eye is taught by ppo, dqn and muesli; choose one of these, or leave agent.eye out")
    return (
        agent_config(
            config,
            hyperparameters,
            num_env_runners=num_env_runners,
            num_envs_per_env_runner=num_envs_per_env_runner,
            **agent,
        )
        .env_runners(rollout_fragment_length=hyperparameters.rollout_fragment_length)
        .training(
            entropy_coeff=hyperparameters.entropy,
            vf_loss_coeff=hyperparameters.value_loss,
            vtrace_clip_rho_threshold=hyperparameters.rho_clip,
            vtrace_clip_pg_rho_threshold=hyperparameters.rho_clip,
            timeout_s_sampler_manager=_POLL_S,
        )
        .reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=hyperparameters.iteration_env_steps)
    )
