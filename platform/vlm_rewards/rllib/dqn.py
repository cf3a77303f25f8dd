"""DQN on RLlib's new API stack over an `EpisodeReplay`: hindsight over all goals, if wanted."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self, cast

from ray.rllib.algorithms.dqn import DQN, DQNConfig
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.execution.rollout_ops import synchronous_parallel_sample
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    REPLAY_BUFFER_ADD_DATA_TIMER,
    REPLAY_BUFFER_SAMPLE_TIMER,
    SYNCH_WORKER_WEIGHTS_TIMER,
    TIMERS,
)

from vlm_rewards.environment.action_memory import remembered_actions
from vlm_rewards.rllib.dqn_learner import DoubleQLearner
from vlm_rewards.rllib.elastic import runners_of
from vlm_rewards.rllib.replay import EpisodeReplay
from vlm_rewards.rllib.replay_memory import check_fits
from vlm_rewards.rllib.replay_settings import ReplaySettings, replay_bytes
from vlm_rewards.rllib.training_goals import TrainingGoals

_FOLDER = "replay"


class GoalDQNConfig(DQNConfig):
    """RLlib's DQN configuration with what `GoalDQN` adds.

    Attributes:
        replay: Settings of the replay, which takes the place of RLlib's.
        goals: The training goals; None where neither hindsight nor the eye is wanted.
        update_every_steps: Env steps for each update of the learner.
        huber_delta: Error from which on the loss grows linearly.
        value_range: Smallest and largest value that targets are clipped to; None does not.
        replay_buffer_config: RLlib's own replay, switched off.
    """

    def __init__(self, algo_class: type | None = None) -> None:
        """Begin with RLlib's defaults and its replay switched off."""
        super().__init__(algo_class=algo_class or GoalDQN)  # type: ignore[no-untyped-call]  # RLlib's
        self.replay = ReplaySettings(capacity=50_000, n_step=1, gamma=0.99)
        self.goals: TrainingGoals | None = None
        self.update_every_steps = 16
        self.huber_delta = 1.0
        self.value_range: tuple[float, float] | None = None
        self.replay_buffer_config = {"type": "EpisodeReplayBuffer", "no_local_replay_buffer": True}

    def training(self, **settings: Any) -> Self:
        """Set what `DQNConfig.training` sets, and the attributes of this class."""
        own = {name for name in settings if name in _OWN}
        for name in own:
            setattr(self, name, settings.pop(name))
        return super().training(**settings)

    def get_default_learner_class(self) -> type[DoubleQLearner]:
        """Return the learner with the cut targets."""
        return DoubleQLearner


_OWN = frozenset({"replay", "goals", "update_every_steps", "huber_delta", "value_range"})


class GoalDQN(DQN):
    """Samples a few vector steps, then learns from the replay as often as these pay for.

    With one process, equal seeds give equal weights, bit by bit, and a checkpoint holds the replay: what is restored
    from it goes on as if it had never stopped (see `vlm_rewards.rllib.env_runner.begin_anew`).

    Attributes:
        replay: The episodes so far.
    """

    _lost = 0

    @classmethod
    def get_default_config(cls) -> GoalDQNConfig:
        """Return RLlib's defaults, with a replay of our own."""
        return GoalDQNConfig()

    def setup(self, config: Any) -> None:
        """Build env runners and learner, and allocate the replay.

        Raises:
            ConfigError: The replay does not fit into memory, or hindsight has nothing to relabel with.
        """
        super().setup(config)
        settings = self._settings
        assert self.env_runner_group is not None
        space = self.env_runner_group.get_spaces()[DEFAULT_MODULE_ID][0]
        shape = space["image"].shape
        remembered = remembered_actions(space)
        check_fits(replay_bytes(settings.replay, shape, settings.goals, remembered), settings.replay.capacity)
        self.replay = EpisodeReplay(settings.replay, shape, settings.goals, settings.seed or 0, remembered)

    def training_step(self) -> None:
        """Sample, store, and learn."""
        settings, metrics = self._settings, self.metrics
        assert metrics is not None
        assert self.env_runner_group is not None
        assert self.learner_group is not None
        lifetime = (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME)
        before = int(metrics.peek(lifetime, default=0))
        with metrics.log_time((TIMERS, ENV_RUNNER_SAMPLING_TIMER)):
            sampled: Any = synchronous_parallel_sample(
                worker_set=self.env_runner_group,
                concat=True,
                sample_timeout_s=settings.sample_timeout_s,
                _uses_new_env_runners=True,
                _return_metrics=True,
            )
        episodes, results = sampled
        if not results:
            return  # all env runners were lost: RLlib calls again when there are others
        metrics.aggregate(results, key=ENV_RUNNER_RESULTS)
        with metrics.log_time((TIMERS, REPLAY_BUFFER_ADD_DATA_TIMER)):
            self.replay.add(episodes)
            self._forget_lost({episode.id_ for episode in episodes})
        steps = int(metrics.peek(lifetime, default=0))
        if steps < settings.num_steps_sampled_before_learning_starts or not len(self.replay):
            return
        # From the counts alone, so that a restored run owes what it would have owed.
        due = steps // settings.update_every_steps - before // settings.update_every_steps
        for _ in range(due):
            self._learn(settings.total_train_batch_size, {NUM_ENV_STEPS_SAMPLED_LIFETIME: steps})
        if due:
            with metrics.log_time((TIMERS, SYNCH_WORKER_WEIGHTS_TIMER)):
                self.env_runner_group.sync_weights(from_worker_or_learner_group=self.learner_group, inference_only=True)

    def forget_unfinished(self) -> None:
        """Drop the beginnings of episodes: env runners begin new ones."""
        self.replay.forget_unfinished()

    def _forget_lost(self, going_on: Collection[str]) -> None:
        """Drop the beginnings of episodes whose env runner was lost in the last round: others have gone on in it."""
        runners = runners_of(self)
        if runners is not None and runners.lost != self._lost:
            self._lost = runners.lost
            self.replay.forget_unfinished(but=going_on)

    def save_to_path(self, path: Any = None, **kwargs: Any) -> str:
        """Write a checkpoint as RLlib does, and the replay into a folder of its own beside it."""
        written = super().save_to_path(path, **kwargs)
        self.replay.save(Path(written) / _FOLDER)
        return written

    def restore_from_path(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Restore what `save_to_path` wrote; a component alone leaves the replay as it is.

        Raises:
            CheckpointError: The replay is missing or of other settings.
        """
        super().restore_from_path(path, *args, **kwargs)  # type: ignore[no-untyped-call]  # RLlib's
        if kwargs.get("component") is None:
            self.replay.load(Path(path) / _FOLDER)

    @property
    def _settings(self) -> GoalDQNConfig:
        return cast(GoalDQNConfig, self.config)

    def _learn(self, size: int, timesteps: Mapping[str, int]) -> None:
        assert self.metrics is not None
        assert self.learner_group is not None
        with self.metrics.log_time((TIMERS, REPLAY_BUFFER_SAMPLE_TIMER)):
            rows = SampleBatch(self.replay.sample(size))
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            batch = MultiAgentBatch({DEFAULT_MODULE_ID: rows}, env_steps=size)
            results = self.learner_group.update(batch=batch, timesteps=dict(timesteps))
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
