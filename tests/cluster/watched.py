"""A command on the cluster, watched: each line that it prints with the time at which it came."""

import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

from tests.cluster.rig import ROOT


class Watched:
    """A command that has begun.

    Attributes:
        lines: What it has printed, with the seconds since it began.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.lines: list[tuple[float, str]] = []
        self._begin = time.monotonic()
        self._process = subprocess.Popen(
            command, env=dict(environment), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def now(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._begin

    @property
    def ended(self) -> bool:
        """Whether it has ended and all that it has printed was read."""
        return self._process.poll() is not None and not self._reader.is_alive()

    def wait_for(self, text: str, seconds: float, after: float = 0.0) -> tuple[float, str]:
        """Wait for a line that holds a text, and return when it came and what it says."""
        deadline = time.monotonic() + seconds
        while True:
            for at, line in list(self.lines):
                if text in line and at >= after:
                    return at, line
            assert not self.ended, f"it has ended without {text!r}:\n{self}"
            assert time.monotonic() < deadline, f"no {text!r} in {seconds:.0f} s:\n{self}"
            time.sleep(0.1)

    def end(self, seconds: float) -> int:
        """Wait for its end, and return its status."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"it has not ended in {seconds:.0f} s:\n{self}") from None
        self._reader.join(10)
        return code

    def finish(self, seconds: float) -> None:
        """Wait for its good end."""
        assert self.end(seconds) == 0, str(self)

    def terminate(self) -> None:
        """Send it SIGTERM: not to what only started it in its namespaces."""
        for process in (*psutil.Process(self._process.pid).children(recursive=True)[:1],):
            process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            with suppress(psutil.Error):
                self.terminate()
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append((self.now(), line.rstrip()))

    def __str__(self) -> str:
        return "\n".join(f"{at:7.1f} s  {line}" for at, line in self.lines[-80:])
