"""One training run from start to end: serve the reward, train, evaluate by ground truth, keep the proof.

Everything that can be refused is checked before the MLflow run begins, so that a mistake leaves no run behind.
"""

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ray.rllib.algorithms.algorithm import Algorithm

from envs.registry import make_env
from experiments.shared.command_line import named_signals
from experiments.shared.folder_lock import locked
from experiments.shared.run_folder import RunFolder, RunState
from experiments.training.config import TrainConfig
from experiments.training.environments import evaluation_env, replay_in_words, task_set_of, training_goals
from experiments.training.loop import TrainingLoop, Watcher, seed_after
from experiments.training.restoring import restoring
from experiments.training.results import Results, evaluate, evaluate_and_record
from experiments.training.warm_start import give_networks, newest_checkpoint
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.curve_point import last_quarter_precision
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.rllib.elastic import runners_of
from vlm_rewards.rllib.env_runner import begin_anew
from vlm_rewards.service import RewardClient
from vlm_rewards.service.served_by import ServedByKind, connect
from vlm_rewards.tracking import MlflowRun, flatten, provenance_tags
from vlm_rewards.tracking.store import default_uri

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class TrainingOutcome:
    """What a finished run leaves.

    Attributes:
        env_steps: Environment steps trained.
        training_seconds: Wall-clock seconds of training, those before a resume included.
        last_quarter_precision: Share of the reward's successes that were true in the last quarter of training.
        results: Evaluation against the random policy, and files.
        folder: The run's folder.
        mlflow_run_id: The run in MLflow.
        tracking_uri: Where MLflow keeps it.
    """

    env_steps: int
    training_seconds: float
    last_quarter_precision: float
    results: Results
    folder: Path
    mlflow_run_id: str
    tracking_uri: str


class Training:
    """A run in its folder; `execute` does all of it.

    Attributes:
        config: What was asked for.
        folder: Where it happens.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: RunFolder,
        watcher: Watcher,
        *,
        served_by: ServedByKind | None = None,
        mlflow_run_id: str | None = None,
        spill_folder: Path | None = None,
        on_checkpoint: Callable[[RunState], None] | None = None,
        cluster: Callable[[], Mapping[str, float]] | None = None,
    ) -> None:
        """Check that the environment can be built, and that there is something left to do.

        Args:
            config: What to train.
            folder: Where.
            watcher: Shows progress.
            served_by: The way to the reward, instead of the settings': a study's trials attach to what it serves.
            mlflow_run_id: A run that waits, with its parameters (`MlflowRun.postpone`); None makes one.
            spill_folder: Where metrics go that MLflow never took; None takes `folder`.
            on_checkpoint: Called after each checkpoint, and at the end, when the folder holds the whole run.
            cluster: Returns metrics of the cluster, to be logged with each iteration's own.

        Raises:
            ConfigError: The environment refuses its options, or the run has finished already.
        """
        self.config = config
        self.folder = folder
        self._watcher = watcher
        self._served_by = served_by or config.served_by
        self._prepared_run_id = mlflow_run_id
        self._spill_folder = spill_folder or folder.path
        self._on_checkpoint = on_checkpoint or (lambda state: None)
        self._cluster = cluster or dict
        self._state: RunState | None = folder.state()
        if self._state is not None and self._state.finished:
            raise ConfigError(f"the run in {folder.path} has finished already; start a new one without --resume")
        self._state = folder.restorable(watcher.stage)
        self._begin_with = newest_checkpoint(config.begin_with, watcher.notice) if config.begin_with else None
        self._uri = config.tracking.uri or default_uri(folder.path.parent)
        self._task_set = task_set_of(config)
        self._evaluation_env = functools.partial(evaluation_env, config)

    def cpus_needed(self) -> float:
        """Return the CPUs without which the run could not start: fewest replicas, env runners and learners."""
        return self.config.least_reward_cpus + self.config.trainer_cpus

    def cpus_wanted(self) -> float:
        """Return the CPUs with which all replicas that there may be can run."""
        return self.config.most_reward_cpus + self.config.trainer_cpus

    def execute(self) -> TrainingOutcome:
        """Run to the end. Ray must be running.

        Raises:
            VLMRewardsError: Something is wrong; the MLflow run, if it began, is closed as FAILED.
        """
        with locked(self.folder.path):
            if self.config.uses_ground_truth:
                return self._execute(None)
            self._watcher.stage(f"getting the reward ready ({self.config.reward_name}, {self._served_by.kind})")
            with connect(self._served_by, self.config.reward_model, self._task_set) as client:
                return self._execute(client)

    def _execute(self, client: RewardClient | None) -> TrainingOutcome:
        description = None if client is None else client.describe()
        with (
            self._algorithm(client, description) as algorithm,
            self._start_tracking(description) as run,
            named_signals(),
        ):
            if self._begin_with is not None and (self._state is None or self._state.checkpoint is None):
                give_networks(algorithm, self._begin_with)
            if self._state is None:
                self._state = RunState(mlflow_run_id=run.run_id)
                self.folder.write_state(self._state)
            elif self._state.checkpoint is not None:
                with restoring(self.folder.path / self._state.checkpoint) as checkpoint:
                    algorithm.restore_from_path(str(checkpoint))
            # At the very start, too: RLlib (2.60) gives sub-environment i of env runner w the seed w + i, so that two
            # runners of 16 would play 15 of their 16 streams of episodes twice.
            begin_anew(algorithm, seed_after(self.config.seed, self._state.env_steps))
            self._state = self._train(algorithm, run)
            self._watcher.stage("evaluating by ground truth alone")
            results = evaluate_and_record(
                config=self.config,
                module=algorithm.get_module(),
                task_set=self._task_set,
                client=client,
                beta=None if description is None else description.beta,
                make_env=self._evaluation_env,
                curve=self._state.curve,
                folder=self.folder.path,
                run=run,
            )
            precision = last_quarter_precision(self._state.curve)
            run.log_metrics(
                {**results.metrics, "evaluation/online_precision_last_quarter": precision},
                step=self._state.env_steps + 1,
            )
            run.log_cost()
            self._state = replace(self._state, finished=True)
            self.folder.write_state(self._state)
        self._on_checkpoint(self._state)
        return TrainingOutcome(
            env_steps=self._state.env_steps,
            training_seconds=self._state.seconds,
            last_quarter_precision=precision,
            results=results,
            folder=self.folder.path,
            mlflow_run_id=run.run_id,
            tracking_uri=self._uri,
        )

    def _start_tracking(self, description: RewardDescription | None) -> MlflowRun:
        tags = provenance_tags(REPOSITORY)
        if description is not None:
            tags["reward.fingerprint"] = description.fingerprint
            tags["reward.encoder_fingerprint"] = description.encoder_fingerprint
        run = MlflowRun.start(
            uri=self._uri,
            experiment=self.config.tracking.experiment,
            name=self.folder.path.name,
            params=flatten(self.config.model_dump(mode="json")),
            tags=tags,
            spill_folder=self._spill_folder,
            resume_run_id=self._state.mlflow_run_id if self._state else self._prepared_run_id,
            note=f"{self.config.note} Folder: `{self.folder.path}`.",
        )
        if self._prepared_run_id is not None:
            # What was prepared before any reward was served lacks these.
            run.set_tags(tags)
        return run

    @contextmanager
    def _algorithm(self, client: RewardClient | None, description: RewardDescription | None) -> Iterator[Algorithm]:
        goals = training_goals(self.config, self._task_set, description)
        replay = replay_in_words(self.config, goals)
        sampling = self.config.sampling
        self._watcher.stage("building the agent" + (f", with a replay of {replay}" if replay else ""))
        algorithm = self.config.algorithm.make_config(
            env=functools.partial(make_env, self.config.environment.id),
            env_kwargs=self.config.environment.options,
            # A copy counts its own requests.
            client_factory=client and functools.partial(copy.copy, client.shared_by(max(1, sampling.num_env_runners))),
            total_env_steps=self.config.total_env_steps,
            module=self.config.agent,
            goals=goals,
            num_env_runners=sampling.num_env_runners,
            num_envs_per_env_runner=sampling.num_envs_per_env_runner,
            num_gpus_per_env_runner=self.config.env_runner_gpus,
            num_learners=sampling.num_learners,
            num_gpus_per_learner=sampling.num_gpus_per_learner,
            torch_threads=sampling.learner_threads,
            compile_learner=self.config.compiles_learner,
            exploring_starts=self.config.exploring_starts,
            seed=self.config.seed,
            min_env_runners_share=sampling.min_env_runners_share,
        ).build_algo()
        runners = runners_of(algorithm)
        if runners is not None:
            runners.say = self._watcher.notice
        try:
            yield algorithm
        finally:
            algorithm.stop()

    def _train(self, algorithm: Algorithm, run: MlflowRun) -> RunState:
        assert self._state is not None
        self._watcher.stage("training")

        def held_out_success() -> float:
            episodes = self.config.evaluation.episodes_in_training
            module = algorithm.get_module()
            return evaluate(self.config, module, self._task_set, self._evaluation_env, episodes).overall.rate

        return TrainingLoop(
            self.config,
            algorithm,
            self._state,
            folder=self.folder,
            run=run,
            watcher=self._watcher,
            held_out_success=held_out_success,
            on_checkpoint=self._on_checkpoint,
            cluster=self._cluster,
        ).execute()
