"""What the algorithms that learn from a replay share."""

from dataclasses import replace
from typing import Any, TypeVar

from pydantic import Field

from rllib_configs.common import CommonHyperparameters, agent_config
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.replay_algorithm import ReplayConfig
from vlm_rewards.rllib.replay_settings import Hindsight, ReplaySettings, check_hindsight
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.rllib.training_goals import TrainingGoals

Config = TypeVar("Config", bound=ReplayConfig)


class ReplayHyperparameters(CommonHyperparameters):
    """What off-policy algorithms are tuned by, besides what all are; `train_batch_size` is one update.

    Attributes:
        hindsight: Relabel steps with other training goals, of which one embedding scores all; None does not.
        replay_capacity: Observations that the replay holds; its size in GB is said before training.
        learning_starts: Env steps before the first update.
        update_every_steps: Env steps for each update.
        value_range: Smallest and largest value that there can be. The default is right for rewards of 1 that end the
            episode.
        adam_epsilon: Adam's epsilon.
        rollout_fragment_length: Steps of each sub-environment between two rounds of updates.
        report_env_steps: Fewest env steps in one result of `Algorithm.train()`.
    """

    train_batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    gamma: float = Field(default=0.97, ge=0, le=1)
    grad_clip: float = Field(default=1.0, gt=0)
    hindsight: Hindsight | None = None
    replay_capacity: int = Field(default=60_000, ge=2)
    learning_starts: int = Field(default=3_000, ge=0)
    update_every_steps: int = Field(default=16, ge=1)
    value_range: tuple[float, float] | None = (0.0, 1.0)
    adam_epsilon: float = Field(default=1e-5, gt=0)
    rollout_fragment_length: int = Field(default=16, ge=1)
    report_env_steps: int = Field(default=1024, ge=1)

    @property
    def iteration_env_steps(self) -> int:
        """Fewest env steps that one `Algorithm.train()` samples: what `health.check` is told to expect."""
        return self.report_env_steps

    @property
    def learner_may_lag(self) -> bool:
        """Nothing is learned before `learning_starts`."""
        return True

    @property
    def scores_all_goals(self) -> bool:
        """Hindsight asks for every training goal."""
        return self.hindsight is not None

    @property
    def replay_settings(self) -> ReplaySettings:
        """Of the replay."""
        raise NotImplementedError


def replay_config(
    config: Config,
    hyperparameters: ReplayHyperparameters,
    *,
    goals: TrainingGoals | None = None,
    module: GoalModuleConfig | None = None,
    **agent: Any,
) -> Config:
    """Return `agent_config` with what the algorithms that learn from a replay add.

    Args:
        config: Config of the algorithm.
        hyperparameters: Hyperparameters of the algorithm.
        goals: The training goals, if any.
        module: The agent's networks.
        agent: The other keyword arguments of `agent_config`.

    Raises:
        ConfigError: A recurrent agent, or hindsight without goals to relabel with.
    """
    module = module or GoalModuleConfig()
    if module.recurrent:
        raise ConfigError(
            f"{hyperparameters.name}'s replay keeps no state of a recurrent agent; set agent.recurrent false, or train "
            "with ppo"
        )
    check_hindsight(hyperparameters.hindsight, goals)
    if goals is not None and module.eye is None:
        # Nobody would send the embeddings that captions are compared with.
        goals = replace(goals, captions=None)
    return (
        agent_config(config, hyperparameters, goals=goals, module=module, **agent)
        .env_runners(rollout_fragment_length=hyperparameters.rollout_fragment_length)
        .training(
            replay=hyperparameters.replay_settings,
            goals=goals,
            steps_before_learning=hyperparameters.learning_starts,
            update_every_steps=hyperparameters.update_every_steps,
            adam_epsilon=hyperparameters.adam_epsilon,
        )
        .reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=hyperparameters.report_env_steps)
    )
