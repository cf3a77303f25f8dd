"""One MLflow run: batched metrics, kept while the store is away, and a final status whatever happens."""

import errno
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from vlm_rewards.errors import TrackingError
from vlm_rewards.tracking.abandoned_runs import close_abandoned_runs, process_tags
from vlm_rewards.tracking.addresses import where_to_look
from vlm_rewards.tracking.background_writer import BackgroundWriter, within
from vlm_rewards.tracking.disk_reserve import DiskReserve
from vlm_rewards.tracking.heartbeat import Heartbeat
from vlm_rewards.tracking.store import exclusive, first_line, open_experiment, sqlite_file
from vlm_rewards.tracking.undelivered import Undelivered
from vlm_rewards.tracking.writes import STORE_ERRORS, ArtifactWrite, MetricsWrite, TagsWrite, Write, disk_is_full
from vlm_rewards.unbroken import unbroken

logger = logging.getLogger(__name__)

# MLflow's own limits for one log_batch call.
PARAMS_PER_BATCH = 100
PARAM_LENGTH = 6000
# At the end: how long a store that is behind is waited for, and how long one may take to note the status. A minute
# without the store must not cost a run of hours its good end; who is stopped has seconds.
FLUSH_SECONDS = {"FINISHED": 120.0, "FAILED": 15.0, "KILLED": 2.0}
STATUS_SECONDS = {"FINISHED": 15.0, "FAILED": 15.0, "KILLED": 5.0}


# Runs of this process that have not ended: who is stopped between a run's start and its `with` block closes these.
_OPEN: set["MlflowRun"] = set()
# Lines that say where to look at the runs that this process has begun, but for their children.
_BEGUN: list[str] = []


class MlflowRun:
    """A run that is closed as FINISHED, FAILED or KILLED, never left RUNNING.

    Use it as a context manager. What is logged is there when the call returns, as long as the store answers. One that
    hangs or is gone costs a call two seconds, and the next ones nothing: what is logged is then sent in the background,
    in order, once the store is back. What is still undelivered at the end is put into `spill_folder` and reported as an
    error; a request that was under way then may have arrived all the same.

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
        experiment_id: str = "",
    ) -> None:
        self.run_id = run_id
        self.uri = uri
        self._client = client
        self._undelivered = Undelivered(spill_folder)
        self._writer = BackgroundWriter(client, run_id, self._undelivered)
        self._last_step = last_step
        self._left_out: set[str] = set()
        self._closed = False
        self._started = time.monotonic()
        self._waited_seconds = self._longest_wait = 0.0
        database = sqlite_file(uri)
        self._reserve = DiskReserve(database.with_suffix(".reserve")) if database else None
        self._heartbeat = Heartbeat(client, run_id, experiment_id, uri)
        self._heartbeat.start()
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
        note: str = "",
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
            note: What MLflow's page says above the run, as Markdown; ignored on resume.

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
                _BEGUN.append(where_to_look(uri, run.info.experiment_id, resume_run_id))
                return cls(client, resume_run_id, uri, spill_folder, last_step, experiment_id)
            all_tags = {**tags, **process_tags()}
            if parent_run_id is not None:
                all_tags["mlflow.parentRunId"] = parent_run_id
            if note:
                all_tags["mlflow.note.content"] = note[:PARAM_LENGTH]
            run_id = client.create_run(experiment_id, run_name=name, tags=all_tags).info.run_id
            started = cls(client, run_id, uri, spill_folder, experiment_id=experiment_id)
            if parent_run_id is None or not any(parent_run_id in line for line in _BEGUN):
                _BEGUN.append(where_to_look(uri, experiment_id, run_id))
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
            self._heartbeat.stop()
            _OPEN.discard(self)
        except STORE_ERRORS as error:
            raise TrackingError(
                f"no run could be prepared in the MLflow store {self.uri}: {first_line(error)}"
            ) from error

    def log_cost(self) -> None:
        """Log what tracking has cost: seconds of its calls, of the longest of them, and their share of this process."""
        costs = {
            "tracking/seconds": self._waited_seconds,
            "tracking/longest_seconds": self._longest_wait,
            "tracking/share": self._waited_seconds / (time.monotonic() - self._started),
        }
        self.log_metrics(costs, step=self._last_step + 1)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log all of `metrics` at environment step `step` in one request.

        Undefined values (NaN: a precision over no successes, say) are left out rather than logged as numbers; so are
        infinite ones, of which MLflow would make 1.8e308, and the log says so once a metric. A step that the store
        already has from before a resume is passed over.

        Raises:
            TrackingError: The disk is full. A server that does not answer is no error here: the metrics are kept.
        """
        if step <= self._last_step:
            return
        self._last_step = step
        now = int(time.time() * 1000)
        numbers = {key: float(value) for key, value in metrics.items()}
        for key in {key for key, value in numbers.items() if math.isinf(value)} - self._left_out:
            logger.warning("the metric %s is infinite at step %d: MLflow cannot hold that, it is left out", key, step)
            self._left_out.add(key)
        entries = [Metric(key, value, now, step) for key, value in numbers.items() if math.isfinite(value)]
        if entries:
            self._write(MetricsWrite(entries))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags on the run.

        Raises:
            TrackingError: The disk is full. A server that does not answer is no error here: the tags are kept.
        """
        self._write(TagsWrite([RunTag(key, value[:PARAM_LENGTH]) for key, value in tags.items()]))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run, under `folder` of its artifacts.

        Raises:
            FileNotFoundError: There is no such file.
            TrackingError: The disk is full. A store that does not answer is no error here: a copy is kept.
        """
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "there is no such file to keep with the run", str(path))
        self._write(ArtifactWrite(path, folder))

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
        self._heartbeat.stop()
        _OPEN.discard(self)
        undelivered = self._writer.flush(FLUSH_SECONDS[status])
        if undelivered is not None and disk_is_full(undelivered):
            self._give_back_reserve()
            undelivered = self._writer.flush(FLUSH_SECONDS[status])
        self._undelivered.keep(self._writer.close())
        if self._undelivered.counts:
            reason = self._undelivered.summary()
            status = "FAILED" if status == "FINISHED" else status
            self._give_back_reserve()

        def close() -> None:
            if reason:
                self._client.set_tag(self.run_id, "end_reason", reason[:PARAM_LENGTH])
            self._client.set_terminated(self.run_id, status)

        try:
            try:
                within(STATUS_SECONDS[status], close)
            except STORE_ERRORS as error:
                if not disk_is_full(error):
                    raise
                # Something else has filled it, a checkpoint say.
                self._give_back_reserve()
                within(STATUS_SECONDS[status], close)
        except STORE_ERRORS as error:
            raise TrackingError(
                f"MLflow run {self.run_id} could not be closed as {status} at {self.uri}: {first_line(error)}"
            ) from error
        if self._undelivered.counts:
            why = first_line(undelivered) if undelivered is not None else "the store refused them"
            raise TrackingError(f"{reason}: {why}") from undelivered

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
            self._log_some_params(entries[begin : begin + PARAMS_PER_BATCH])

    @unbroken()
    def _log_some_params(self, params: list[Param]) -> None:
        try:
            self._client.log_batch(self.run_id, params=params)
        except STORE_ERRORS as error:
            if not disk_is_full(error):
                raise
            raise self._full_disk() from error

    def _write(self, write: Write) -> None:
        begin = time.monotonic()
        try:
            self._writer.write(write)
        except STORE_ERRORS as error:
            raise self._full_disk() from error
        finally:
            waited = time.monotonic() - begin
            self._waited_seconds += waited
            self._longest_wait = max(self._longest_wait, waited)

    def _full_disk(self) -> TrackingError:
        """Return the error that ends the run: a full disk will not go away by waiting."""
        self._give_back_reserve()
        return TrackingError(
            f"the disk of the MLflow store {self.uri} is full: free some space and continue with --resume"
        )

    def _give_back_reserve(self) -> None:
        if self._reserve:
            self._reserve.release()


def open_runs() -> set[MlflowRun]:
    """Return the runs of this process that have begun and not ended."""
    return set(_OPEN)


def begun_runs() -> list[str]:
    """Return a line for each run that this process has begun, oldest first, which says how to open it.

    Runs whose parent is one of these are left out: the parent's page lists them.
    """
    return list(_BEGUN)
