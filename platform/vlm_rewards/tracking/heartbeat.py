"""A run's sign of life, and its look at the others' while it lives."""

import logging
import threading
import time

from mlflow.tracking import MlflowClient

from vlm_rewards.tracking.abandoned_runs import (
    END_REASON,
    HEARTBEAT_SECONDS,
    SEEN_TAG,
    SILENT_SECONDS,
    close_abandoned_runs,
    seen_now,
)
from vlm_rewards.tracking.store import exclusive, first_line
from vlm_rewards.tracking.writes import STORE_ERRORS

logger = logging.getLogger(__name__)


class Heartbeat:
    """Tags a run with the time every few seconds in a thread of its own, from `start` to `stop`.

    Whoever beats also closes the runs of its experiment that no longer do: a dead run is not RUNNING for over two
    minutes as long as any other of its experiment is alive, and from the next start on otherwise. While the store is
    away nobody's beats arrive, and nobody is judged: after a silence a run looks at itself first.
    """

    def __init__(self, client: MlflowClient, run_id: str, experiment_id: str, uri: str) -> None:
        """Take what is needed; nothing is sent yet.

        Args:
            client: Client of the store.
            run_id: The run.
            experiment_id: Its experiment, whose other runs are looked at.
            uri: The store's address.
        """
        self._client = client
        self._run_id = run_id
        self._experiment_id = experiment_id
        self._uri = uri
        self._over = threading.Event()
        self._last = time.monotonic()
        self._heard_since = self._last
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; the first beat comes after one interval, for a run is made with its first."""
        # A daemon: a request that hangs may not keep a program from ending.
        self._thread = threading.Thread(target=self._work, name="mlflow heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more; returns at once."""
        self._over.set()

    def beat(self) -> None:
        """Send one sign of life, and close runs that have sent none for too long.

        Raises:
            MlflowException: The store does not answer.
        """
        silent = time.monotonic() - self._last > SILENT_SECONDS
        self._client.set_tag(self._run_id, SEEN_TAG, seen_now())
        self._last = time.monotonic()
        if silent:
            # The store was away, or this process was stopped.
            self._heard_since = self._last
            self._take_back()
        elif self._last - self._heard_since > SILENT_SECONDS:
            # The store has been there for so long that whoever lives has been heard.
            with exclusive(self._uri):
                close_abandoned_runs(self._client, self._experiment_id)

    def _take_back(self) -> None:
        """Open the run again where another process took it for dead."""
        if self._over.is_set():
            return
        run = self._client.get_run(self._run_id)
        if run.info.status == "KILLED" and run.data.tags.get("end_reason") == END_REASON:
            self._client.update_run(self._run_id, status="RUNNING")
            self._client.delete_tag(self._run_id, "end_reason")

    def _work(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            try:
                self.beat()
            except STORE_ERRORS as error:
                logger.info("no sign of life of run %s: %s", self._run_id, first_line(error))
