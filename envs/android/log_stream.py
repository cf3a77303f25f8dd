"""The embedded phone's logcat, read by AndroidEnv's own log thread without a race."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from android_env.components import errors, log_stream

_PRIORITIES = "VDIWEFS"

LogLine = tuple[float, str, str, str]
"""Time in seconds since 1970, priority (one of VDIWEF), tag, message."""


class EmbeddedLogStream(log_stream.LogStream):
    """A log stream that can tell when every line written so far has reached AndroidEnv's listeners.

    AndroidEnv reads logs in a thread of their own and takes whatever has arrived when a step ends. A simulated device
    is so fast that the line of an app that has just opened is often still on its way, and the step misses its reward.
    `drain` closes the gap: it hands the pending lines to the reader and returns when the reader asks for the next.
    """

    def __init__(self, source: Callable[[], Sequence[LogLine]], drain_timeout_s: float = 10.0):
        """Connect the stream to a device.

        Args:
            source: Returns the lines written since it was last called, oldest first.
            drain_timeout_s: Wall-clock seconds after which a reader that does not read is an error.
        """
        super().__init__()
        self._source = source
        self._drain_timeout_s = drain_timeout_s
        self._changed = threading.Condition()
        self._pending: deque[str] = deque()
        self._reader_is_busy = False
        self._is_stopped = False
        self._lowest_priority: dict[str, str] = {}

    def set_log_filters(self, log_filters: Sequence[str]) -> None:
        """Take logcat filters, each `TAG:PRIORITY` or `TAG`; other tags are silent."""
        super().set_log_filters(log_filters)
        parts = (log_filter.partition(":") for log_filter in log_filters)
        self._lowest_priority = {tag: priority or "V" for tag, _, priority in parts}

    def drain(self) -> None:
        """Return once all lines written so far have been handled (or dropped, while the stream is paused).

        Raises:
            SimulatorError: Nobody reads the stream.
        """
        lines = [self._format(line) for line in self._source() if self._passes(line)]
        if not lines and not self._reader_is_busy and not self._pending:
            return  # the common case takes no lock
        with self._changed:
            self._pending.extend(lines)
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: self._is_stopped or not (self._pending or self._reader_is_busy), self._drain_timeout_s
            )
        if not done:
            raise errors.SimulatorError(f"the log reader took no line for {self._drain_timeout_s} s")

    def pause_stream(self) -> None:
        """Stop the flow after the lines written so far."""
        self.drain()
        super().pause_stream()

    def resume_stream(self) -> None:
        """Start the flow again; lines written while it was paused are lost, as they are with `adb logcat`."""
        self.drain()
        super().resume_stream()

    def stop_stream(self) -> None:
        """End the stream; its reader finishes."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _get_stream_output(self) -> Iterator[str]:
        while True:
            with self._changed:
                # Asking for a line says that the one before has been handled.
                self._reader_is_busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._pending or self._is_stopped)
                if self._is_stopped:
                    return
                line = self._pending.popleft()
                self._reader_is_busy = True
            yield line

    def _passes(self, line: LogLine) -> bool:
        lowest = self._lowest_priority.get(line[2])
        return lowest is not None and _PRIORITIES.index(line[1]) >= _PRIORITIES.find(lowest)

    @staticmethod
    def _format(line: LogLine) -> str:
        seconds, priority, tag, message = line
        # `logcat -v epoch`; AndroidEnv's reader skips lines without the leading spaces.
        return f"         {seconds:.3f}  1000  1000 {priority} {tag}: {message}"
