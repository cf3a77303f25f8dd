"""One MLflow run: batched metrics, kept while the store is away, and a final status whatever happens."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from vlm_rewards.errors import TrackingError
from vlm_rewards.tracking.abandoned_runs import close_abandoned_runs, process_tags
from vlm_rewards.tracking.disk_reserve import DiskReserve
from vlm_rewards.tracking.store import exclusive, first_line, open_experiment, sqlite_file
from vlm_rewards.tracking.unbroken import unbroken

logger = logging.getLogger(__name__)

# MLflow's own limits for one log_batch call.
METRICS_PER_BATCH = 1000
PARAMS_PER_BATCH = 100
PARAM_LENGTH = 6000
STORE_ERRORS = (MlflowException, SQLAlchemyError, OSError)


# Runs of this process that have not ended: who is stopped between a run's start and its `with` block closes these.
_OPEN: set["MlflowRun"] = set()


class MlflowRun:
    """A run that is closed as FINISHED, FAILED or KILLED, never left RUNNING.

    Use it as a context manager. Metrics that cannot be delivered are kept and sent with the next ones; those that are
    still undelivered at the end are written to `spill_folder` and reported as an error.

    Attributes:
        run_id: MLflow's id, stored in checkpoints so that a resumed training continues its own run.
        uri: Tracking URI of the store.
    """

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        uri: str,
        spill_folder: Path,
        last_step: int = -1,
    ) -> None:
        self.run_id = run_id
        self.uri = uri
        self._client = client
        self._spill_folder = spill_folder
        self._pending: list[Metric] = []
        self._last_step = last_step
        self._closed = False
        self._started = time.monotonic()
        self._request_seconds = 0.0
        database = sqlite_file(uri)
        self._reserve = DiskReserve(database.with_suffix(".reserve")) if database else None
        _OPEN.add(self)

    @classmethod
    @unbroken()
    def start(
        cls,
        *,
        uri: str,
        experiment: str,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        spill_folder: Path,
        resume_run_id: str | None = None,
        parent_run_id: str | None = None,
    ) -> Self:
        """Create a run, or continue the run `resume_run_id`.

        A resumed training repeats the steps after its last checkpoint; those that the store already has are not logged
        again, so that steps stay strictly increasing.

        Args:
            uri: `sqlite:///...` or the address of an MLflow server.
            experiment: Name of the MLflow experiment; created if new.
            name: Name of the run as shown by MLflow.
            params: Flat mapping of what was asked for; ignored on resume.
            tags: Where the run comes from.
            spill_folder: Where undeliverable metrics go at the end.
            resume_run_id: Id of the run to continue.
            parent_run_id: Id of the study's run, of which this one is a trial.

        Raises:
            TrackingError: The store cannot be opened or written.
        """
        client, experiment_id = open_experiment(uri, experiment)
        try:
            with exclusive(uri):
                close_abandoned_runs(client, experiment_id)
            if resume_run_id is not None:
                # Before it is RUNNING: to another process it would be the run of one that is gone.
                for key, value in process_tags().items():
                    client.set_tag(resume_run_id, key, value)
                client.update_run(resume_run_id, status="RUNNING")
                run = client.get_run(resume_run_id)
                if "end_reason" in run.data.tags:  # how it ended before says nothing of the run that goes on
                    client.delete_tag(resume_run_id, "end_reason")
                last_step = max(
                    (m.step for key in run.data.metrics for m in client.get_metric_history(resume_run_id, key)),
                    default=-1,
                )
                return cls(client, resume_run_id, uri, spill_folder, last_step)
            all_tags = {**tags, **process_tags()}
            if parent_run_id is not None:
                all_tags["mlflow.parentRunId"] = parent_run_id
            run_id = client.create_run(experiment_id, run_name=name, tags=all_tags).info.run_id
            started = cls(client, run_id, uri, spill_folder)
        except STORE_ERRORS as error:
            raise TrackingError(f"no run could be started in the MLflow store {uri}: {first_line(error)}") from error
        try:
            started._log_params(params)
        except (TrackingError, *STORE_ERRORS) as error:
            started.__exit__(type(error), error, None)
            raise
        return started

    @unbroken()
    def postpone(self) -> None:
        """Leave the run as SCHEDULED, for `start(resume_run_id=...)` in another process.

        A study makes the runs of all its trials before the first begins: whatever dies later, a trial has one run.

        Raises:
            TrackingError: The store cannot be written.
        """
        try:
            self._client.update_run(self.run_id, status="SCHEDULED")
            _OPEN.discard(self)
        except STORE_ERRORS as error:
            raise TrackingError(
                f"no run could be prepared in the MLflow store {self.uri}: {first_line(error)}"
            ) from error

    def log_cost(self) -> None:
        """Log what tracking has cost: seconds spent in requests to the store, and their share of this process's run."""
        elapsed = time.monotonic() - self._started
        costs = {"tracking/seconds": self._request_seconds, "tracking/share": self._request_seconds / elapsed}
        self.log_metrics(costs, step=self._last_step + 1)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log all of `metrics` at environment step `step` in one request.

        Undefined values (NaN: a precision over no successes, say) are left out rather than logged as numbers. A step
        that the store already has from before a resume is passed over.

        Raises:
            TrackingError: The disk is full. A server that does not answer is no error here: the metrics are kept.
        """
        if step <= self._last_step:
            return
        self._last_step = step
        now = int(time.time() * 1000)
        # A NaN is the only number that differs from itself.
        self._pending += [Metric(key, float(v), now, step) for key, v in metrics.items() if float(v) == float(v)]
        self._deliver()

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags on the run."""
        entries = [RunTag(key, value[:PARAM_LENGTH]) for key, value in tags.items()]
        self._write(partial(self._client.log_batch, self.run_id, tags=entries))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run, under `folder` of its artifacts."""
        self._write(partial(self._client.log_artifact, self.run_id, str(path), folder))

    @unbroken()
    def finish(self, status: str = "FINISHED", reason: str | None = None) -> None:
        """Deliver what is pending and set the final status; a second call does nothing.

        Args:
            status: FINISHED, FAILED or KILLED.
            reason: One line kept as the tag `end_reason`.

        Raises:
            TrackingError: Metrics or the status could not be delivered; the metrics are then in `spill_folder`.
        """
        if self._closed:
            return
        self._closed = True
        _OPEN.discard(self)
        undelivered: Exception | None = None
        try:
            self._deliver(keep=False)
        except (TrackingError, *STORE_ERRORS) as error:
            undelivered = error
            spilled = self._spill()
            reason = f"{len(self._pending)} metrics could not be delivered and are in {spilled.name}"
            status = "FAILED" if status == "FINISHED" else status
            if self._reserve:
                self._reserve.release()
        try:
            if reason:
                self._client.set_tag(self.run_id, "end_reason", reason[:PARAM_LENGTH])
            self._client.set_terminated(self.run_id, status)
        except STORE_ERRORS as error:
            raise TrackingError(
                f"MLflow run {self.run_id} could not be closed as {status} at {self.uri}: {first_line(error)}"
            ) from error
        if undelivered is not None:
            raise TrackingError(f"{reason}: {first_line(undelivered)}") from undelivered

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
            return
        status = "KILLED" if isinstance(error, KeyboardInterrupt | SystemExit) else "FAILED"
        try:
            self.finish(status, reason=f"{type(error).__name__}: {first_line(error)}")
        except TrackingError as second:
            # The first error is the one that explains the failure: the second must not hide it.
            logger.error("%s", second)

    def _log_params(self, params: Mapping[str, Any]) -> None:
        entries = [Param(key, str(value)[:PARAM_LENGTH]) for key, value in params.items()]
        for begin in range(0, len(entries), PARAMS_PER_BATCH):
            chunk = entries[begin : begin + PARAMS_PER_BATCH]
            self._write(partial(self._client.log_batch, self.run_id, params=chunk))

    def _deliver(self, keep: bool = True) -> None:
        while self._pending:
            chunk = self._pending[:METRICS_PER_BATCH]
            try:
                self._write(partial(self._client.log_batch, self.run_id, metrics=chunk))
            except STORE_ERRORS as error:
                if not keep:
                    raise
                logger.warning("MLflow does not answer, %d metrics kept: %s", len(self._pending), first_line(error))
                return
            del self._pending[: len(chunk)]

    @unbroken()
    def _write(self, request: Callable[[], Any]) -> None:
        """Run one write; a full disk is an error that ends the run, since it will not go away by waiting."""
        begin = time.monotonic()
        try:
            request()
        except STORE_ERRORS as error:
            if not disk_is_full(error):
                raise
            if self._reserve:
                self._reserve.release()
            raise TrackingError(
                f"the disk of the MLflow store {self.uri} is full: free some space and continue with --resume"
            ) from error
        finally:
            self._request_seconds += time.monotonic() - begin

    def _spill(self) -> Path:
        self._spill_folder.mkdir(parents=True, exist_ok=True)
        path = self._spill_folder / "undelivered_metrics.jsonl"
        with path.open("a") as file:
            for metric in self._pending:
                row = {"key": metric.key, "value": metric.value, "step": metric.step, "timestamp": metric.timestamp}
                file.write(json.dumps(row) + "\n")
        return path


def open_runs() -> set[MlflowRun]:
    """Return the runs of this process that have begun and not ended."""
    return set(_OPEN)


def disk_is_full(error: BaseException) -> bool:
    """Tell whether a store error comes from a full disk, wherever in its chain of causes."""
    text = str(error).lower()
    return "database or disk is full" in text or "no space left on device" in text
