"""Double DQN for a goal-conditioned agent: it learns from old episodes, and for the goals these would have reached."""

from typing import Any, Literal

from pydantic import Field

from rllib_configs.replaying import ReplayHyperparameters, replay_config
from vlm_rewards.rllib.dqn import GoalDQN, GoalDQNConfig
from vlm_rewards.rllib.dqn_learner import DoubleQLearner
from vlm_rewards.rllib.q_module import GoalConditionedQModule
from vlm_rewards.rllib.replay_settings import ReplaySettings


class DQNHyperparameters(ReplayHyperparameters):
    """What DQN is tuned by, besides what all off-policy algorithms are.

    Attributes:
        n_step: Steps of a return before it relies on the value of the state arrived at.
        target_rate: Share by which the target network follows at each update (tau).
        exploration_steps: Env steps over which the probability of a random action falls from 1, linearly.
        final_epsilon: What it falls to, and what evaluation acts with unless it is deterministic.
        huber_delta: Error of a value from which on the loss grows linearly.
        value_range: Smallest and largest value that there can be, which targets are clipped to. The default is right
            for rewards of 1 that end the episode; null for dense rewards.
    """

    name: Literal["dqn"] = "dqn"
    n_step: int = Field(default=5, ge=1)
    target_rate: float = Field(default=0.005, gt=0, le=1)
    exploration_steps: int = Field(default=18_000, ge=0)
    final_epsilon: float = Field(default=0.1, ge=0, le=1)
    huber_delta: float = Field(default=0.1, gt=0)

    @property
    def replay_settings(self) -> ReplaySettings:
        """Of the replay."""
        return ReplaySettings(self.replay_capacity, self.n_step, self.gamma, self.hindsight)

    def make_config(self, **agent: Any) -> GoalDQNConfig:
        """Return a double DQN with dueling heads and n-step returns; see `CommonHyperparameters.make_config`."""
        config = replay_config(
            GoalDQNConfig(algo_class=GoalDQN),
            self,
            module_class=GoalConditionedQModule,
            module_settings={"final_epsilon": self.final_epsilon, "exploration_steps": self.exploration_steps},
            **agent,
        )
        return config.training(
            learner_class=DoubleQLearner,
            huber_delta=self.huber_delta,
            value_range=self.value_range,
            # Of RLlib's own learner: the target follows at every update.
            tau=self.target_rate,
            target_network_update_freq=0,
            n_step=1,
        )
