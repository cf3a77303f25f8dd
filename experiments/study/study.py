"""Runs a study: reward applications first, then its trials under Tune, each a child of one MLflow run."""

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

# Before Tune is imported: its own tables and log lines are not what a person watches a study for.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
# A trial stays where the study was started, so that a model's folder or a task set's file may be named from there.
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")

from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

from experiments.shared.atomic_files import write_atomically
from experiments.shared.command_line import named_signals
from experiments.shared.driver_environment import driver_environment
from experiments.study.offline_table import write_offline_table
from experiments.study.study_config import StudyConfig
from experiments.study.study_folder import StudyFolder, StudyRecord
from experiments.study.trial_run import run_trial
from experiments.study.trials import Trial, app_cpus, resources_of
from experiments.study.tune_state import restored, taking_up_trials
from experiments.training.environments import task_set_of
from experiments.training.run import REPOSITORY
from vlm_rewards.errors import TrackingError, VLMRewardsError
from vlm_rewards.service import HandleTransport
from vlm_rewards.service.deploying import deployed
from vlm_rewards.service.served_by import Deploy, connect
from vlm_rewards.tracking import MlflowRun, flatten, provenance_tags
from vlm_rewards.tracking.closing import close_as_killed
from vlm_rewards.unbroken import unbroken


class StudyFailedError(VLMRewardsError):
    """Some of a study's trials failed more often than its preset allows."""


class StudyWatcher(Protocol):
    """What shows a study's progress to a person."""

    def stage(self, text: str) -> None:
        """Begin a new stage of the study."""

    def callbacks(self, trials: int) -> list[tune.Callback]:
        """Return what Tune calls as so many trials go on."""


@dataclass(frozen=True)
class StudyOutcome:
    """What a finished study leaves.

    Attributes:
        mlflow_run_id: The parent run.
        tracking_uri: Where MLflow keeps it.
        trials: All of them.
    """

    mlflow_run_id: str
    tracking_uri: str
    trials: tuple[Trial, ...]


class Study:
    """A study in its folder; `execute` does all of it, or what is left of it.

    Attributes:
        config: What was asked for.
        folder: Where it happens.
        trials: Its trials.
    """

    def __init__(
        self, kind: str, config: StudyConfig, folder: StudyFolder, trials: Sequence[Trial], watcher: StudyWatcher
    ) -> None:
        self.config = config
        self.folder = folder
        self.trials = tuple(trials)
        self._kind = kind
        self._watcher = watcher
        # Written down when the folder was made: a resumed study must find its runs again.
        assert config.tracking.uri is not None
        self._uri = config.tracking.uri
        self._provenance = provenance_tags(REPOSITORY)
        self._parent: MlflowRun | None = None

    def cpus_needed(self) -> float:
        """Return the CPUs without which nothing could start: the shared applications and the largest trial."""
        return app_cpus(self.trials) + max(trial.cpus for trial in self.trials)

    def cpus_wanted(self) -> float:
        """Return the CPUs with which as many trials as allowed run side by side."""
        largest = sorted((trial.cpus for trial in self.trials), reverse=True)[: self.config.max_concurrent_trials]
        return app_cpus(self.trials, most=True) + sum(largest)

    def execute(self) -> StudyOutcome:
        """Run to the end. Ray must be running.

        Raises:
            StudyFailedError: Trials failed; the others are finished, and `--resume` tries these again.
            KeyboardInterrupt: Somebody stopped it; `--resume` goes on.
            VLMRewardsError: Something is wrong; the parent run is closed as FAILED.
        """
        resumed = self.folder.record() if self.folder.has_begun() else None
        with self._parent_run(resumed) as parent:
            with ExitStack() as served:
                try:
                    self._parent = parent
                    record = resumed or self._begin(parent)
                    with named_signals():
                        results = self._run(record, parent, served)
                except (KeyboardInterrupt, SystemExit) as error:
                    # Before anything else: a job that is stopped is killed three seconds later.
                    self.close_trials(str(error) or "the study was interrupted")
                    parent.finish("KILLED", str(error) or "the study was interrupted")
                    raise
                finally:
                    self._parent = None
            failed = [f"{_trial(r.config).name}: {_last_line(r.error)}" for r in results if r.error]
            unfinished = [_trial(r.config) for r in results if not r.error and not (r.metrics or {}).get("finished")]
            reason = "stopped early by ASHA" if self.config.asha else "the study was interrupted"
            close_as_killed(self._uri, [trial.mlflow_run_id for trial in unfinished], reason)
            if unfinished and self.config.asha is None:
                raise KeyboardInterrupt
            parent.set_tags({"study.trials": str(len(record.trials)), "study.trials_failed": str(len(failed))})
            if failed:
                raise StudyFailedError(
                    f"{len(failed)} of {len(record.trials)} trials failed ({failed[0]}); the others are finished: "
                    "mend the cause, and try these again with --resume"
                )
        return StudyOutcome(record.mlflow_run_id, self._uri, record.trials)

    def _run(self, record: StudyRecord, parent: MlflowRun, served: ExitStack) -> list[Any]:
        trials = self._serve(record, served)
        # Only now: who reads it may ask them at once.
        apps = list(dict.fromkeys(trial.reward_app for trial in trials if trial.reward_app))
        parent.set_tags({"study.reward_apps": json.dumps(apps)})
        self._watcher.stage(f"running {len(trials)} trials, {self.config.max_concurrent_trials} at once")
        return self._tune(trials)

    def log_cluster(self, counts: Mapping[str, float]) -> None:
        """Keep what the cluster looks like now with the study's run; its steps are seconds since 1970.

        Args:
            counts: Metrics by name.
        """
        parent = self._parent
        if parent is not None:
            with suppress(TrackingError):  # the study finds out by itself, and ends with it
                parent.log_metrics(counts, step=int(time.time()))

    def close_trials(self, reason: str) -> None:
        """Close the runs of all trials that have not ended, which their own processes may not do any more.

        Args:
            reason: Kept with them.
        """
        if self.folder.has_begun():
            close_as_killed(self._uri, [trial.mlflow_run_id for trial in self.folder.record().trials], reason)

    @unbroken()
    def _begin(self, parent: MlflowRun) -> StudyRecord:
        self._log_inputs(parent)
        record = StudyRecord(self._kind, parent.run_id, self._prepared(parent.run_id))
        self.folder.write_record(record)
        return record

    def _parent_run(self, resumed: StudyRecord | None) -> MlflowRun:
        return MlflowRun.start(
            uri=self._uri,
            experiment=self.config.tracking.experiment,
            name=self.folder.path.name,
            params=flatten(self.config.model_dump(mode="json")),
            tags={
                **self._provenance,
                "study.kind": self._kind,
                "study.name": self.config.name,
                "study.title": self.config.title or self.config.name,
            },
            spill_folder=self.folder.path,
            resume_run_id=resumed.mlflow_run_id if resumed else None,
            note=(
                f"{self.config.title or self.config.name}. {len(self.trials)} trials, a child run each: every task "
                "with every arm (`study.arm`) and every seed. Figures and tables, made from these runs alone: "
                f"`python -m experiments.report {self.config.name}`."
            ),
        )

    def _log_inputs(self, parent: MlflowRun) -> None:
        settings = self.folder.path / "study.yaml"
        write_atomically(settings, yaml.safe_dump(self.config.model_dump(mode="json"), sort_keys=False))
        parent.log_artifact(settings)
        if self.config.offline_table is not None:
            table = self.folder.path / "offline.csv"
            write_offline_table(Path(self.config.offline_table), self.trials, table)
            parent.log_artifact(table)

    def _prepared(self, parent_run_id: str) -> tuple[Trial, ...]:
        """Return the trials with an MLflow run each, so that whatever dies later, none gets two."""
        prepared = []
        for trial in self.trials:
            train = trial.train.model_copy(
                update={
                    "tracking": trial.train.tracking.model_copy(
                        update={"uri": self._uri, "experiment": self.config.tracking.experiment}
                    )
                }
            )
            key = trial.app_key()
            # Of the study alone, and the same after a resume: Tune's trials remember it.
            app = key and f"reward-{self.config.name}-{key}-{parent_run_id[:6]}"
            run = MlflowRun.start(
                uri=self._uri,
                experiment=self.config.tracking.experiment,
                name=trial.name,
                params=flatten(train.model_dump(mode="json")),
                tags={
                    **self._provenance,
                    "study.kind": self._kind,
                    "study.name": self.config.name,
                    "study.task": trial.task,
                    "study.arm": trial.arm,
                    "study.seed": str(trial.seed),
                    "study.facts": json.dumps(trial.facts),
                    **({"study.reward_app": app} if app else {}),
                },
                spill_folder=self.folder.path,
                parent_run_id=parent_run_id,
                note=f"Trial of the study {self.config.name}: arm {trial.arm}, seed {trial.seed}. {train.note}",
            )
            run.postpone()
            prepared.append(trial.model_copy(update={"train": train, "mlflow_run_id": run.run_id, "reward_app": app}))
        return tuple(prepared)

    def _serve(self, record: StudyRecord, served: ExitStack) -> list[Trial]:
        """Serve each distinct reward once, or find it, however many trials ask it; return the trials with what it is.

        Raises:
            ConfigError: An application that runs already serves another reward than a trial's settings name.
        """
        fingerprints: dict[str | None, str] = {}
        for trial in record.trials:
            key, way = trial.service_key(), trial.train.served_by
            if key is None or key in fingerprints:
                continue
            reward, task_set = trial.train.reward_model, task_set_of(trial.train)
            if isinstance(way, Deploy):
                assert trial.reward_app is not None
                self._watcher.stage(f"serving {trial.train.reward_name} as {trial.reward_app}")
                args = way.app_args(reward, task_set)
                served.enter_context(deployed(args, trial.reward_app, way.start_timeout_s))
                fingerprints[key] = HandleTransport(trial.reward_app).describe(way.timeout_s).fingerprint
            else:
                self._watcher.stage(f"looking at what serves {trial.train.reward_name} ({way.kind})")
                with connect(way, reward, task_set) as client:
                    fingerprints[key] = client.describe().fingerprint
        return [
            trial.model_copy(update={"reward_fingerprint": fingerprints.get(trial.service_key())})
            for trial in record.trials
        ]

    def _tune(self, trials: Sequence[Trial]) -> list[Any]:
        storage = self.config.storage or str(self.folder.tune_folder)
        path = f"{storage}/{self.folder.path.name}"
        trainable = tune.with_resources(tune.with_parameters(run_trial, environment=driver_environment()), _resources)
        tuner = restored(path, trainable)
        if tuner is None:
            tuner = tune.Tuner(
                trainable,
                param_space={"trial": tune.grid_search([trial.model_dump(mode="json") for trial in trials])},
                tune_config=tune.TuneConfig(
                    max_concurrent_trials=self.config.max_concurrent_trials,
                    scheduler=self._scheduler(),
                    trial_name_creator=lambda trial: trial.trial_id,
                    trial_dirname_creator=_folder_name,
                ),
                run_config=tune.RunConfig(
                    name=self.folder.path.name,
                    storage_path=storage,
                    failure_config=tune.FailureConfig(max_failures=self.config.max_failures),
                    checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
                    callbacks=self._watcher.callbacks(len(trials)),
                    verbose=0,
                ),
            )
        with taking_up_trials(path):
            results: Any = tuner.fit()
        return list(results)

    def _scheduler(self) -> Any:
        if self.config.asha is None:
            return FIFOScheduler()
        # It stops whatever reaches `max_t`, which would be before the final evaluation: no trial gets so far.
        longest = max(trial.train.total_env_steps for trial in self.trials)
        return ASHAScheduler(
            time_attr="env_steps",
            metric="held_out_success_rate",
            mode="max",
            max_t=2 * longest,
            grace_period=self.config.asha.grace_steps,
            reduction_factor=self.config.asha.reduction_factor,
        )


def _resources(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    return tune.PlacementGroupFactory(resources_of(_trial(config)))


def _folder_name(trial: Any) -> str:
    """Return what the folder of one of Tune's trials is called; names of tasks and arms may hold anything."""
    return "_".join([*re.findall(r"\w+", _trial(trial.config).name), trial.trial_id])


def _trial(config: dict[str, Any]) -> Trial:
    """Return the trial that Tune's configuration of it holds."""
    return Trial(**config["trial"])


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1][:300]
