"""Reading a study out of MLflow, through its client alone."""

import csv
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import yaml

from experiments.shared.stored_runs import artifact, curve_of, open_to_read
from experiments.study_report.kinds import STUDY_KINDS
from experiments.study_report.records import HELD_OUT, HISTORIES, OfflineRow, Study, Trial
from vlm_rewards.errors import ConfigError, TrackingError
from vlm_rewards.evaluation.statistics import Curve
from vlm_rewards.tracking.store import first_line
from vlm_rewards.tracking.writes import STORE_ERRORS

PARENT_TAG = "mlflow.parentRunId"
OFFLINE_FILE, PRESET_FILE, EVALUATION_FILE = "offline.csv", "study.yaml", "evaluation.csv"
RANK_OF_STATUS = {"FINISHED": 2, "RUNNING": 1}


class StudyReader:
    """Reads studies of one MLflow store, and changes nothing in it."""

    def __init__(self, uri: str) -> None:
        """Connect.

        Raises:
            TrackingError: The store does not exist, or does not answer.
        """
        self._client, self._experiments = open_to_read(uri)

    def read(self, name: str) -> Study:
        """Return a study.

        Args:
            name: Name of the study, whose newest parent run is taken, or the id of a parent run.

        Raises:
            ConfigError: There is no such study, or it is of an unknown kind.
            TrackingError: The store stopped answering.
        """
        try:
            runs = self._runs_of_studies()
            parent = self._parent(name, runs)
            return self._study(parent, [run for run in runs if run.data.tags.get(PARENT_TAG) == parent.info.run_id])
        except STORE_ERRORS as error:
            raise TrackingError(f"the study {name} cannot be read from MLflow: {first_line(error)}") from error

    def artifact(self, run_id: str, path: str) -> bytes | None:
        """Return a file at the top of a run's artifacts, or None if it has none of that name."""
        return artifact(self._client, run_id, path)

    def _runs_of_studies(self) -> list[Any]:
        """Return the runs of all studies, the newest first."""
        runs: list[Any] = []
        token: str | None = None
        while self._experiments:
            page = self._client.search_runs(
                self._experiments,
                filter_string="tags.`study.kind` LIKE '%'",
                max_results=1000,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            runs += page
            token = page.token
            if not token:
                break
        return runs

    def _parent(self, name: str, runs: Sequence[Any]) -> Any:
        parents = [run for run in runs if PARENT_TAG not in run.data.tags]
        for run in parents:
            if name in (run.info.run_id, run.data.tags.get("study.name")):
                return run
        for run in runs:
            if run.info.run_id == name:
                raise ConfigError(
                    f"run {name} is a trial of the study {run.data.tags.get('study.name')!r}; name the study instead"
                )
        names = sorted({run.data.tags["study.name"] for run in parents if "study.name" in run.data.tags})
        known = f"it has: {', '.join(names)}" if names else "it holds no study yet"
        raise ConfigError(f"no study {name!r} in the MLflow store; {known}")

    def _study(self, parent: Any, children: Sequence[Any]) -> Study:
        tags = parent.data.tags
        run_id = parent.info.run_id
        preset, offline = (self.artifact(run_id, file) for file in (PRESET_FILE, OFFLINE_FILE))
        name = tags.get("study.name", run_id)
        # Oldest first: tasks then stand in the order of the study's preset.
        trials = [self._trial(run) for run in sorted(children, key=lambda run: run.info.start_time)]
        return Study(
            run_id=run_id,
            kind=STUDY_KINDS[tags["study.kind"]],
            name=name,
            title=tags.get("study.title") or name,
            status=parent.info.status,
            started=parent.info.start_time,
            seconds=_seconds(parent.info.start_time, parent.info.end_time),
            tags=tags,
            preset=_portable(preset.decode()) if preset else "",
            trials=_marked(trials),
            offline=_offline_rows(offline.decode()) if offline else (),
        )

    def _trial(self, run: Any) -> Trial:
        tags, metrics, info = run.data.tags, run.data.metrics, run.info
        histories = {key: self._client.get_metric_history(info.run_id, key) for key in HISTORIES if key in metrics}
        curves = {key: curve for key, history in histories.items() if len(curve := curve_of(history))}
        began = min((metric.timestamp for history in histories.values() for metric in history), default=None)
        final = self._final(info.run_id, metrics)
        if final is not None:
            curves[HELD_OUT] = _ended(curves, final[0])
        try:
            facts = json.loads(tags.get("study.facts") or "{}")
        except ValueError:
            facts = {}
        return Trial(
            run_id=run.info.run_id,
            arm=tags.get("study.arm", "?"),
            task=tags.get("study.task", "?"),
            seed=tags.get("study.seed", "?"),
            reward_kind=run.data.params.get("reward.kind", ""),
            facts=facts if isinstance(facts, dict) else {},
            status=run.info.status,
            end_reason=tags.get("end_reason", ""),
            seconds=None if began is None else _seconds(began, info.end_time),
            curves=curves,
            metrics=metrics,
            final=final,
        )

    def _final(self, run_id: str, metrics: Mapping[str, float]) -> tuple[float, float, float] | None:
        """Return the success rate after training with its interval: from the metrics, or the table of all goals."""
        if "evaluation/success_rate" not in metrics:
            return None
        low, high = (metrics.get(f"evaluation/success_rate_{end}", math.nan) for end in ("low", "high"))
        if not math.isfinite(low + high):
            table = self.artifact(run_id, EVALUATION_FILE)
            for row in csv.DictReader(io.StringIO((table or b"").decode())):
                if row["goal"] == "all":
                    low, high = float(row["success_rate_low"]), float(row["success_rate_high"])
        return metrics["evaluation/success_rate"], low, high


def _ended(curves: Mapping[str, Curve], final: float) -> Curve:
    """Return the curve of the held-out success rate with the evaluation after training as its last point."""
    trained = max((curve.steps[-1] for curve in curves.values()), default=0.0)
    before = curves.get(HELD_OUT)
    if before is None:
        return Curve(np.array([trained]), np.array([final]))
    if before.steps[-1] >= trained:
        return before
    return Curve(np.append(before.steps, trained), np.append(before.values, final))


def _marked(trials: Sequence[Trial]) -> list[Trial]:
    """Mark all but one run of the same task, arm and seed as superseded: a finished one counts, else the newest."""
    chosen: dict[tuple[str, str, str], int] = {}
    for index, trial in enumerate(trials):
        key = (trial.task, trial.arm, trial.seed)
        rank = RANK_OF_STATUS.get(trial.status, 0)
        if key not in chosen or rank >= RANK_OF_STATUS.get(trials[chosen[key]].status, 0):
            chosen[key] = index
    counting = set(chosen.values())
    return [replace(trial, superseded=index not in counting) for index, trial in enumerate(trials)]


def _seconds(begin: int, end: int | None) -> float:
    """Return the seconds between two moments in Unix milliseconds, up to now where the second is open."""
    return max(0.0, ((end or time.time() * 1000) - begin) / 1000)


def _portable(preset: str) -> str:
    """Return a preset without the address of its MLflow store, which means nothing on another machine."""
    try:
        values = yaml.safe_load(preset)
    except yaml.YAMLError:
        return preset
    if not isinstance(values, dict):
        return preset
    values.pop("tracking", None)
    return yaml.safe_dump(values, sort_keys=False)


def _number(cell: str) -> float:
    return float(cell or "nan")


def _offline_rows(text: str) -> list[OfflineRow]:
    try:
        return [
            OfflineRow(
                arm=row["arm"],
                family=row["family"],
                negatives=row["negatives"],
                value=(_number(row["average_precision"]), _number(row["low"]), _number(row["high"])),
            )
            for row in csv.DictReader(io.StringIO(text))
        ]
    except (KeyError, ValueError, TypeError) as error:
        raise TrackingError(f"{OFFLINE_FILE} of the study cannot be read ({error}); log it again") from error
