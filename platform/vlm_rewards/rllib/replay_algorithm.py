"""What off-policy algorithms share: they sample a few vector steps, keep the episodes, and learn from the replay."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from gymnasium.spaces import Dict
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
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
from vlm_rewards.rllib.elastic import runners_of
from vlm_rewards.rllib.replay import EpisodeReplay
from vlm_rewards.rllib.replay_memory import check_fits
from vlm_rewards.rllib.replay_settings import ReplaySettings, replay_bytes
from vlm_rewards.rllib.training_goals import TrainingGoals

_FOLDER = "replay"


class ReplayConfig(AlgorithmConfig):
    """Configuration of a `ReplayAlgorithm`; put it before an algorithm's own among a class's bases.

    Attributes:
        own_settings: Names of what `training` sets here and not in RLlib.
        replay: Settings of the replay.
        goals: The training goals; None where neither hindsight nor the eye is wanted.
        steps_before_learning: Env steps before the first update.
        update_every_steps: Env steps for each update of the learner.
    """

    own_settings: ClassVar[frozenset[str]] = frozenset(
        {"replay", "goals", "steps_before_learning", "update_every_steps"}
    )

    def __init__(self, algo_class: type | None = None) -> None:
        """Begin with RLlib's defaults."""
        super().__init__(algo_class=algo_class)
        self.replay = ReplaySettings(capacity=50_000, n_step=1, gamma=0.99)
        self.goals: TrainingGoals | None = None
        self.steps_before_learning = 1_000
        self.update_every_steps = 16

    def training(self, **settings: Any) -> Self:
        """Set what the algorithm's own `training` sets, and what `own_settings` names."""
        for name in self.own_settings.intersection(settings):
            setattr(self, name, settings.pop(name))
        return super().training(**settings)


class ReplayAlgorithm(Algorithm):
    """Samples a few vector steps, then learns from the replay as often as these pay for.

    With one process, equal seeds give equal weights, bit by bit, and a checkpoint holds the replay: what is restored
    from it goes on as if it had never stopped (see `vlm_rewards.rllib.env_runner.begin_anew`). Put it before an
    algorithm's own class among a class's bases.

    Attributes:
        replay: The episodes so far.
    """

    _lost = 0

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
        check_fits(
            replay_bytes(settings.replay, shape, settings.goals, remembered_actions(space)), settings.replay.capacity
        )
        self.replay = self._make_replay(space)

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
        if steps < settings.steps_before_learning or not len(self.replay):
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
    def _settings(self) -> ReplayConfig:
        return cast(ReplayConfig, self.config)

    def _make_replay(self, space: Dict) -> EpisodeReplay:
        """Return an empty replay for observations of a space."""
        settings = self._settings
        return EpisodeReplay(
            settings.replay, space["image"].shape or (), settings.goals, settings.seed or 0, remembered_actions(space)
        )

    def _learn(self, size: int, timesteps: Mapping[str, int]) -> None:
        assert self.metrics is not None
        assert self.learner_group is not None
        with self.metrics.log_time((TIMERS, REPLAY_BUFFER_SAMPLE_TIMER)):
            rows = SampleBatch(self.replay.sample(size))
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            batch = MultiAgentBatch({DEFAULT_MODULE_ID: rows}, env_steps=size)
            results = self.learner_group.update(batch=batch, timesteps=dict(timesteps))
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
