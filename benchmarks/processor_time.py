"""Processor time of a process with all that it has started."""

import contextlib

import psutil


class ProcessorTime:
    """Counts the processor seconds of processes and their descendants from here on.

    What a process uses that begins and ends in between is not seen.
    """

    def __init__(self, *processes: psutil.Process) -> None:
        """Begin.

        Args:
            processes: Roots of the trees; this process and its own if none is given.
        """
        self._roots = processes or (psutil.Process(),)
        self._before = self._now()

    def seconds(self) -> float:
        """Return processor seconds, of users and of the kernel, since the beginning."""
        return sum(now - self._before.get(process, 0.0) for process, now in self._now().items())

    def _now(self) -> dict[psutil.Process, float]:
        found = {}
        for root in self._roots:
            for process in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    found[process] = times.user + times.system
        return found
