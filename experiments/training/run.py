"""One training run from start to end: serve the reward, train, evaluate by ground truth, keep the proof.

Everything that can be refused is checked before the MLflow run begins, so that a mistake leaves no run behind.
"""

import functools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from ray.rllib.algorithms.algorithm import Algorithm

from envs.registry import make_env
from experiments.shared.folder_lock import locked
from experiments.shared.run_folder import RunFolder, RunState
from experiments.training.config import TrainConfig
from experiments.training.environments import evaluation_env, task_set_of
from experiments.training.loop import TrainingLoop, Watcher, seed_after
from experiments.training.results import Results, evaluate, evaluate_and_record
from serve_deployments.reward import ReplicaLimits, RewardAppArgs, deploy, undeploy
from vlm_rewards.embedding_cache import EmbeddingCache
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.curve_point import last_quarter_precision
from vlm_rewards.goals import TaskSet
from vlm_rewards.reward_model import RewardDescription, RewardModel
from vlm_rewards.rllib.env_runner import begin_anew
from vlm_rewards.service import HandleTransport, InProcessTransport, RewardClient
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


def make_client(config: TrainConfig, task_set: TaskSet, app_name: str, fingerprint: str | None = None) -> RewardClient:
    """Return a client of the run's reward; called wherever rewards are needed, remote env runners included."""
    if config.service.transport == "in_process":
        torch.set_num_threads(config.service.torch_threads)
        cache = EmbeddingCache(config.service.cache_mb * 2**20) if config.service.cache_mb else None
        transport: Any = InProcessTransport(RewardModel(config.reward_model, task_set, cache=cache))
    else:
        transport = HandleTransport(app_name)
    return RewardClient(
        transport,
        timeout_s=config.service.timeout_s,
        deadline_s=config.service.deadline_s,
        expected_fingerprint=fingerprint,
    )


def reward_app_args(config: TrainConfig, task_set: TaskSet) -> RewardAppArgs:
    """Return the Serve application that scores a run's frames."""
    service = config.service
    return RewardAppArgs(
        reward=config.reward_model,
        task_set=task_set,
        num_cpus=service.num_cpus,
        torch_threads=service.torch_threads,
        cache_mb=service.cache_mb,
        replicas=ReplicaLimits(minimum=service.replicas, maximum=service.replicas),
    )


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
        reward_app: str | None = None,
        mlflow_run_id: str | None = None,
        spill_folder: Path | None = None,
        on_checkpoint: Callable[[RunState], None] | None = None,
    ) -> None:
        """Check that the environment can be built, and that there is something left to do.

        Args:
            config: what to train.
            folder: where.
            watcher: shows progress.
            reward_app: the Serve application to ask, which is another's: a study's trials share it. None deploys one
                of the run's own and removes it at the end.
            mlflow_run_id: a run that waits, with its parameters (`MlflowRun.postpone`); None makes one.
            spill_folder: where metrics go that MLflow never took; None takes `folder`.
            on_checkpoint: called after each checkpoint, and at the end, when the folder holds the whole run.

        Raises:
            ConfigError: the environment refuses its options, or the run has finished already.
        """
        self.config = config
        self.folder = folder
        self._watcher = watcher
        self._shared_app = reward_app
        # Of this execution alone: on a cluster another run may serve the same model with another threshold.
        self._app_name = reward_app or f"reward-{config.reward_name}-{uuid.uuid4().hex[:8]}"
        self._prepared_run_id = mlflow_run_id
        self._spill_folder = spill_folder or folder.path
        self._on_checkpoint = on_checkpoint or (lambda state: None)
        self._state: RunState | None = folder.state()
        if self._state is not None and self._state.finished:
            raise ConfigError(f"the run in {folder.path} has finished already; start a new one without --resume")
        self._state = folder.restorable(watcher.stage)
        self._deployed = False
        self._uri = config.tracking.uri or default_uri(folder.path.parent)
        self._task_set = task_set_of(config)
        self._evaluation_env = functools.partial(evaluation_env, config)

    def cpus_needed(self) -> float:
        """Return the CPUs that replicas, env runners and the learner, in this process, take."""
        return self.config.replica_cpus + self.config.trainer_cpus

    def execute(self) -> TrainingOutcome:
        """Run to the end. Ray must be running.

        Raises:
            VLMRewardsError: something is wrong; the MLflow run, if it began, is closed as FAILED.
        """
        try:
            with locked(self.folder.path):
                return self._execute()
        finally:
            # A cluster outlives the run; what the run has deployed for itself must not.
            if self._deployed:
                undeploy(self._app_name)

    def _execute(self) -> TrainingOutcome:
        description = None if self.config.uses_ground_truth else self._start_reward()
        with self._algorithm(description) as algorithm, self._start_tracking(description) as run:
            if self._state is None:
                self._state = RunState(mlflow_run_id=run.run_id)
                self.folder.write_state(self._state)
            elif self._state.checkpoint is not None:
                algorithm.restore_from_path(str(self.folder.path / self._state.checkpoint))
                begin_anew(algorithm, seed_after(self.config.seed, self._state.env_steps))
            self._state = self._train(algorithm, run)
            self._watcher.stage("evaluating by ground truth alone")
            results = evaluate_and_record(
                config=self.config,
                module=algorithm.get_module(),
                task_set=self._task_set,
                client=description
                and make_client(self.config, self._task_set, self._app_name, description.fingerprint),
                beta=description and description.beta,
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

    def _start_reward(self) -> RewardDescription:
        self._watcher.stage(f"starting the reward service ({self.config.reward_name})")
        if self.config.service.transport == "serve" and self._shared_app is None:
            deploy(reward_app_args(self.config, self._task_set), self._app_name)
            self._deployed = True
        return make_client(self.config, self._task_set, self._app_name).describe()

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
        )
        if self._prepared_run_id is not None:
            # What was prepared before any reward was served lacks these.
            run.set_tags(tags)
        return run

    @contextmanager
    def _algorithm(self, description: RewardDescription | None) -> Iterator[Algorithm]:
        self._watcher.stage("building the agent")
        algorithm = self.config.algorithm.make_config(
            env=functools.partial(make_env, self.config.environment.id),
            env_kwargs=self.config.environment.options,
            client_factory=description
            and functools.partial(make_client, self.config, self._task_set, self._app_name, description.fingerprint),
            total_env_steps=self.config.total_env_steps,
            module=self.config.agent,
            num_env_runners=self.config.sampling.num_env_runners,
            num_envs_per_env_runner=self.config.sampling.num_envs_per_env_runner,
            torch_threads=self.config.sampling.learner_threads,
            exploring_starts=self.config.exploring_starts,
            seed=self.config.seed,
        ).build_algo()
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
        ).execute()
