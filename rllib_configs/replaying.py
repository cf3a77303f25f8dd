"""What the algorithms that learn from a replay share."""

from dataclasses import replace
from typing import Any

from pydantic import Field

from rllib_configs.common import CommonHyperparameters
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.replay_settings import Hindsight, ReplaySettings, check_hindsight
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.rllib.training_goals import TrainingGoals


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


def replaying(
    hyperparameters: ReplayHyperparameters, goals: TrainingGoals | None, module: GoalModuleConfig
) -> TrainingGoals | None:
    """Return the goals as the replay needs them.

    Args:
        hyperparameters: Of the algorithm.
        goals: The training goals, if any.
        module: The agent's networks.

    Raises:
        ConfigError: A recurrent agent, or hindsight without goals to relabel with.
    """
    if module.recurrent:
        raise ConfigError(
            f"{hyperparameters.name}'s replay keeps no state of a recurrent agent; set agent.recurrent false, or train "
            "with ppo"
        )
    check_hindsight(hyperparameters.hindsight, goals)
    if goals is not None and module.eye is None:
        # Nobody would send the embeddings that captions are compared with.
        return replace(goals, captions=None)
    return goals


def replay_training(hyperparameters: ReplayHyperparameters, goals: TrainingGoals | None) -> dict[str, Any]:
    """Return what `ReplayConfig.training` is told."""
    return {
        "replay": hyperparameters.replay_settings,
        "goals": goals,
        "steps_before_learning": hyperparameters.learning_starts,
        "update_every_steps": hyperparameters.update_every_steps,
        "adam_epsilon": hyperparameters.adam_epsilon,
    }
