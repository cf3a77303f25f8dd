"""DQN on RLlib's new API stack over an `EpisodeReplay`: hindsight over all goals, if wanted."""

from ray.rllib.algorithms.dqn import DQN, DQNConfig

from vlm_rewards.rllib.dqn_learner import DoubleQLearner
from vlm_rewards.rllib.replay_algorithm import ReplayAlgorithm, ReplayConfig


class GoalDQNConfig(ReplayConfig, DQNConfig):
    """RLlib's DQN configuration with what `GoalDQN` adds.

    Attributes:
        huber_delta: Error from which on the loss grows linearly.
        value_range: Smallest and largest value that targets are clipped to; None does not.
        replay_buffer_config: RLlib's own replay, switched off.
    """

    own_settings = ReplayConfig.own_settings | {"huber_delta", "value_range"}

    def __init__(self, algo_class: type | None = None) -> None:
        """Begin with RLlib's defaults and its replay switched off."""
        super().__init__(algo_class=algo_class or GoalDQN)
        self.huber_delta = 1.0
        self.value_range: tuple[float, float] | None = None
        self.replay_buffer_config = {"type": "EpisodeReplayBuffer", "no_local_replay_buffer": True}

    def get_default_learner_class(self) -> type[DoubleQLearner]:
        """Return the learner with the cut targets."""
        return DoubleQLearner


class GoalDQN(ReplayAlgorithm, DQN):
    """Double DQN over whole episodes; see `ReplayAlgorithm`."""

    @classmethod
    def get_default_config(cls) -> GoalDQNConfig:
        """Return RLlib's defaults, with a replay of our own."""
        return GoalDQNConfig()
