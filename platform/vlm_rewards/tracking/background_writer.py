"""A thread that writes to an MLflow store in order, so that who trains waits for the store for seconds at most."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice

from mlflow.tracking import MlflowClient

from vlm_rewards.tracking.store import first_line
from vlm_rewards.tracking.undelivered import Undelivered
from vlm_rewards.tracking.writes import (
    METRICS_PER_BATCH,
    STORE_ERRORS,
    ArtifactWrite,
    MetricsWrite,
    Write,
    disk_is_full,
    is_refusal,
    together,
)
from vlm_rewards.unbroken import unbroken

logger = logging.getLogger(__name__)

# How long a write is waited for while the store is thought well; one that is behind is not waited for at all.
PATIENCE_SECONDS = 2.0
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.5, 10.0
# Some 100 MB; a training of a hundred metrics every five seconds fills it in six hours.
MOST_METRICS = 400_000


class BackgroundWriter:
    """Delivers one run's writes in the order in which they were made.

    While the store answers, each write is done when `write` returns. A store that hangs or is gone makes the writer
    fall behind: then writes wait in memory, are tried again, and nobody waits for them until all have arrived.
    """

    def __init__(self, client: MlflowClient, run_id: str, undelivered: Undelivered) -> None:
        """Take what is needed; the thread starts with the first write.

        Args:
            client: Client of the store.
            run_id: The run.
            undelivered: Takes what the store refuses, and files that have to wait.
        """
        self._client = client
        self._run_id = run_id
        self._undelivered = undelivered
        self._queue: deque[Write] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._behind = False
        self._urged = False
        self._stopped = False
        self._error: BaseException | None = None  # of the newest try, None after one that worked
        self._full: BaseException | None = None

    @unbroken()
    def write(self, write: Write) -> None:
        """Deliver a write, or keep it for later where the store does not answer.

        Raises:
            BaseException: The store's own error where its disk is full; the write is kept.
        """
        with self._changed:
            if self._waiting_metrics() > MOST_METRICS:
                logger.error("MLflow has been away for too long: what is logged now goes to a file")
                self._undelivered.keep([write])
                return
            self._queue.append(write)
            if not self._behind:
                self._start()
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._behind or self._full or not self._queue, PATIENCE_SECONDS)
                if self._queue and not self._full and not self._behind:
                    self._fall_behind(f"no answer in {PATIENCE_SECONDS:g} s")
            if self._behind and write in self._queue and isinstance(write, ArtifactWrite):
                self._undelivered.set_aside(write)
            self._raise_if_full()

    def flush(self, seconds: float) -> BaseException | None:
        """Wait until all is delivered, for so many seconds at most.

        Returns:
            None when all is; else why not.
        """
        with self._changed:
            self._full = None
            self._urged = True
            self._changed.notify_all()
            if self._behind:
                logger.warning("waiting up to %g s for MLflow to take what it has missed", seconds)
            self._changed.wait_for(lambda: self._full or not self._queue, seconds)
            if not self._queue:
                return None
            return self._full or self._error or TimeoutError(f"no answer in {seconds:g} s")

    def close(self) -> list[Write]:
        """End the thread, once a request that it waits for has ended, and return what it has not delivered."""
        with self._changed:
            self._stopped = True
            left = list(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        return left

    def _start(self) -> None:
        if self._thread is None:
            # A daemon: a request that hangs may not keep a program from ending.
            self._thread = threading.Thread(target=self._work, name="mlflow writer", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        pause = FIRST_RETRY_SECONDS
        alone = 0  # writes to send one by one, since a request with all of them was refused
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or (self._queue and not self._full))
                if self._stopped:
                    return
                writes = list(islice(self._queue, 1 if alone else METRICS_PER_BATCH))
            request = together(writes)
            count = _metrics_in(request)
            error = self._send(request)
            with self._changed:
                self._error = error
                if self._stopped:
                    return
                if error is None:
                    pause = FIRST_RETRY_SECONDS
                    alone = max(0, alone - self._drop(count, arrived=True))
                elif disk_is_full(error):
                    self._full = error
                    self._changed.notify_all()
                elif isinstance(error, STORE_ERRORS) and not is_refusal(error):
                    self._fall_behind(first_line(error))
                    self._rest(pause)
                    pause = min(2 * pause, LAST_RETRY_SECONDS)
                elif count > _metrics_in(self._queue[0]):
                    alone = self._writes_in(count)
                else:
                    logger.error("MLflow refuses what it is sent, which goes to a file: %s", first_line(error))
                    self._undelivered.keep([self._queue[0]])
                    alone = max(0, alone - self._drop(count, arrived=False))

    def _send(self, request: Write) -> BaseException | None:
        try:
            request.send(self._client, self._run_id)
        except Exception as error:  # anything else than a store's error would end the thread, and nobody would see it
            return error
        return None

    def _writes_in(self, metrics: int) -> int:
        """Return how many of the writes at the head hold so many metrics; one where it is none of metrics."""
        number = 0
        for write in self._queue:
            if number and (metrics <= 0 or not isinstance(write, MetricsWrite)):
                break
            metrics -= _metrics_in(write)
            number += 1
        return number

    def _drop(self, metrics: int, arrived: bool) -> int:
        """Take what has been dealt with from the queue, and say so where the writer has caught up."""
        number = self._writes_in(metrics)
        for _ in range(number):
            write = self._queue.popleft()
            if arrived:
                self._undelivered.delivered(write)
        if self._behind and not self._queue:
            self._behind = False
            logger.warning("MLflow has everything again")
        self._changed.notify_all()
        return number

    def _fall_behind(self, reason: str) -> None:
        if not self._behind:
            self._behind = True
            logger.warning("MLflow does not answer; what is logged is kept and sent later: %s", reason)
            self._changed.notify_all()

    def _rest(self, seconds: float) -> None:
        """Wait before the next try; not for long where somebody waits for the end."""
        until = time.monotonic() + seconds
        self._changed.wait_for(lambda: self._stopped or self._urged, seconds)
        if self._urged:
            self._changed.wait_for(lambda: self._stopped, min(FIRST_RETRY_SECONDS, max(0.0, until - time.monotonic())))

    def _waiting_metrics(self) -> int:
        return sum(_metrics_in(write) for write in self._queue) if self._behind else 0

    def _raise_if_full(self) -> None:
        if self._full is not None:
            error, self._full = self._full, None
            raise error


def _metrics_in(write: Write) -> int:
    return len(write.metrics) if isinstance(write, MetricsWrite) else 0


def within(seconds: float, work: Callable[[], None]) -> None:
    """Do something that may hang, in a thread that is left behind where it does.

    Raises:
        TimeoutError: It has not ended in time.
        Exception: What `work` raised.
    """
    raised: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="mlflow request", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if thread.is_alive():
        raise TimeoutError(f"no answer in {seconds:g} s")
