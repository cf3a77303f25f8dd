"""Double DQN for a goal-conditioned agent: it learns from old episodes, and for the goals these would have reached."""

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from rllib_configs.common import CommonHyperparameters, agent_config
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.dqn import GoalDQN, GoalDQNConfig
from vlm_rewards.rllib.dqn_learner import DoubleQLearner
from vlm_rewards.rllib.q_module import GoalConditionedQModule
from vlm_rewards.rllib.replay_settings import Hindsight, ReplaySettings, check_hindsight
from vlm_rewards.rllib.rl_module import GoalModuleConfig
from vlm_rewards.rllib.training_goals import TrainingGoals


class DQNHyperparameters(CommonHyperparameters):
    """What DQN is tuned by, besides what all are; `train_batch_size` is one update.

    Attributes:
        hindsight: Relabel steps with other training goals, of which one embedding scores all; None does not.
        n_step: Steps of a return before it relies on the value of the state arrived at.
        replay_capacity: Observations that the replay holds; its size in GB is said before training.
        learning_starts: Env steps before the first update.
        update_every_steps: Env steps for each update.
        target_rate: Share by which the target network follows at each update (tau).
        exploration_steps: Env steps over which the probability of a random action falls from 1, linearly.
        final_epsilon: What it falls to, and what evaluation acts with unless it is deterministic.
        huber_delta: Error of a value from which on the loss grows linearly.
        value_range: Smallest and largest value that there can be, which targets are clipped to. The default is right
            for rewards of 1 that end the episode; null for dense rewards.
        adam_epsilon: Adam's epsilon.
        rollout_fragment_length: Steps of each sub-environment between two rounds of updates.
        report_env_steps: Fewest env steps in one result of `Algorithm.train()`.
    """

    name: Literal["dqn"] = "dqn"
    train_batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    gamma: float = Field(default=0.97, ge=0, le=1)
    grad_clip: float = Field(default=1.0, gt=0)
    hindsight: Hindsight | None = None
    n_step: int = Field(default=5, ge=1)
    replay_capacity: int = Field(default=60_000, ge=2)
    learning_starts: int = Field(default=3_000, ge=0)
    update_every_steps: int = Field(default=16, ge=1)
    target_rate: float = Field(default=0.005, gt=0, le=1)
    exploration_steps: int = Field(default=18_000, ge=0)
    final_epsilon: float = Field(default=0.1, ge=0, le=1)
    huber_delta: float = Field(default=0.1, gt=0)
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
        return ReplaySettings(self.replay_capacity, self.n_step, self.gamma, self.hindsight)

    def make_config(
        self, *, goals: TrainingGoals | None = None, module: GoalModuleConfig | None = None, **agent: Any
    ) -> GoalDQNConfig:
        """Return a double DQN with dueling heads and n-step returns; see `CommonHyperparameters.make_config`."""
        module = module or GoalModuleConfig()
        if module.recurrent:
            raise ConfigError("dqn's replay holds steps, not sequences; set agent.recurrent false, or train with ppo")
        check_hindsight(self.hindsight, goals)
        if goals is not None and module.eye is None:
            # Nobody would send the embeddings that captions are compared with.
            goals = replace(goals, captions=None)
        config = agent_config(
            GoalDQNConfig(algo_class=GoalDQN),
            self,
            goals=goals,
            module=module,
            module_class=GoalConditionedQModule,
            module_settings={"final_epsilon": self.final_epsilon, "exploration_steps": self.exploration_steps},
            **agent,
        )
        return (
            config.env_runners(rollout_fragment_length=self.rollout_fragment_length)
            .training(
                learner_class=DoubleQLearner,
                replay=self.replay_settings,
                goals=goals,
                update_every_steps=self.update_every_steps,
                huber_delta=self.huber_delta,
                value_range=self.value_range,
                adam_epsilon=self.adam_epsilon,
                num_steps_sampled_before_learning_starts=self.learning_starts,
                # Of RLlib's own learner: the target follows at every update.
                tau=self.target_rate,
                target_network_update_freq=0,
                n_step=1,
            )
            .reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=self.report_env_steps)
        )
