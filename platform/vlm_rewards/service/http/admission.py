"""Who is let in, and what they hold: requests and bytes, given back when the last that works for them is done."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.limits import HttpLimits


class AbandonedError(Exception):
    """Nobody waits for this work any more; it ends here, and nobody sees this."""


class Admission:
    """Counts requests at work and the bytes they hold; shared by the event loop and the threads that work for it.

    Attributes:
        limits: As given.
        requests: Requests at work now, those included whose caller has left and whose last step still runs.
        bytes: Held by them now.
        lock: Guards both counts.
    """

    def __init__(self, limits: HttpLimits) -> None:
        """Start with nothing at work."""
        self.limits = limits
        self.requests = 0
        self.bytes = 0
        self.lock = threading.Lock()

    def enter(self) -> "Share":
        """Return a request's share, to be used as a context manager.

        Raises:
            HttpError: Too many requests are at work.
        """
        with self.lock:
            if self.requests >= self.limits.max_requests:
                raise HttpError("overloaded", f"the gateway is at work on {self.requests} requests")
            self.requests += 1
        return Share(self)


class Share:
    """What one request holds.

    Its context is the request's: when that ends, by an answer, a timeout or a caller who hangs up, the share is closed
    and takes nothing more. Threads work for it inside `working`. All it holds is given back once, by whichever of them
    ends last, so that the count is always that of memory in use and never stays.
    """

    def __init__(self, admission: Admission) -> None:
        """Hold a place and no bytes yet."""
        self._admission = admission
        self._bytes = 0
        self._workers = 0
        self._closed = False

    def hold(self, size: int) -> None:
        """Add `size` bytes.

        Raises:
            AbandonedError: The request has ended.
            HttpError: All requests together would hold too many.
        """
        admission = self._admission
        with admission.lock:
            self._check()
            if admission.bytes + size > admission.limits.max_bytes:
                raise HttpError("overloaded", "the gateway has no room for another body of this size")
            admission.bytes += size
            self._bytes += size

    def give_back(self, size: int) -> None:
        """Take `size` bytes off, at most what is held."""
        with self._admission.lock:
            size = min(size, self._bytes)
            self._admission.bytes -= size
            self._bytes -= size

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Hold `size` bytes for a while.

        Raises:
            AbandonedError: The request has ended.
            HttpError: All requests together would hold too many.
        """
        self.hold(size)
        try:
            yield
        finally:
            self.give_back(size)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Keep the place and the bytes while a thread works for the request, even if the request ends before it.

        Raises:
            AbandonedError: The request has ended; the work should not begin.
        """
        with self._admission.lock:
            self._check()
            self._workers += 1
        try:
            yield
        finally:
            with self._admission.lock:
                self._workers -= 1
                self._settle()

    def check(self) -> None:
        """End work that nobody waits for.

        Raises:
            AbandonedError: The request has ended.
        """
        with self._admission.lock:
            self._check()

    def close(self) -> None:
        """End the request; harmless when repeated."""
        with self._admission.lock:
            if not self._closed:
                self._closed = True
                self._settle()

    def _check(self) -> None:
        if self._closed:
            raise AbandonedError

    def _settle(self) -> None:
        if self._closed and not self._workers:
            self._admission.requests -= 1
            self._admission.bytes -= self._bytes
            self._bytes = 0

    def __enter__(self) -> "Share":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
