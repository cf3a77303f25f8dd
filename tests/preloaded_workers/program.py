"""Commands that must be processes of their own, because a test kills them: forks of one that has their imports."""

import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.preloaded_workers.setup_worker import ask

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running(server: Path, log: Path, *arguments: object, **environment: str) -> Iterator["Program"]:
    """Run a `Program` in the block, at whose end it is killed with all of its group."""
    program = Program(server, log, *arguments, **environment)
    try:
        yield program
    finally:
        program.kill()


class Program:
    """`python -m module arguments...` in a session of its own, from the checkout's root; to be used like a `Popen`.

    Attributes:
        pid: Of the process, and of its group.
        log: File with all that it has printed.
    """

    def __init__(self, server: Path, log: Path, *arguments: object, **environment: str) -> None:
        """Start it.

        Args:
            server: Folder of a fork server.
            log: To be written.
            arguments: What follows `python`: `-m`, a module, and the rest.
            environment: Further variables.
        """
        self.log = log
        # What later imports have set here is theirs to set there.
        variables = json.loads((server / "environment.json").read_text())
        variables |= {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
        wanted = {"argv": [str(each) for each in arguments], "cwd": str(ROOT), "new_session": True}
        with log.open("w") as file, open(os.devnull) as nothing:
            connection = ask(
                str(server),
                wanted | {"env": variables | environment},
                (nothing.fileno(), file.fileno(), file.fileno()),
            )
        assert connection is not None, "its environment is one in which modules might be imported differently"
        self._connection = connection
        self.pid = int.from_bytes(connection.recv(8), "big")
        self._status: int | None = None

    @property
    def text(self) -> str:
        """All that it has printed."""
        return self.log.read_text()

    def poll(self, wait_s: float = 0.0) -> int | None:
        """Return its status if it has ended, after waiting so long; as a `Popen` does, negative for a signal."""
        if self._status is None and select.select([self._connection], [], [], wait_s)[0]:
            self._status = os.waitstatus_to_exitcode(
                int.from_bytes(self._connection.recv(8, socket.MSG_WAITALL), "big")
            )
            self._connection.close()
        return self._status

    def wait(self, timeout: float) -> int:
        """Wait for its end, and return its status."""
        deadline = time.monotonic() + timeout
        while (status := self.poll(max(0.0, deadline - time.monotonic()))) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.log} still runs:\n{self.text}")
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it and all of its group; safe where it has ended."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait(30)
