"""Three Ray nodes on one machine, each in network, mount, PID and UTS namespaces of its own, joined by a bridge.

Addresses, ports, tokens and deaths are as on three machines: a node that is killed takes all its processes along, and a
link that is cut loses packets without a word. It takes root and iproute2; whatever it makes has a name of its own, and
is removed again.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
HEAD_PORT = 6379
JOBS_PORT = 8265
# Seconds to a next attempt of a node that has ended, as a pod's restart.
_RESTART_S = 2


def missing() -> str | None:
    """Return why this machine cannot have such a cluster, or None."""
    if os.geteuid() != 0:
        return "network namespaces take root"
    for tool in ("ip", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            return f"there is no {tool}: install iproute2 and util-linux"
    name = f"vrt{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"], capture_output=True)
    subprocess.run(["ip", "link", "del", name], capture_output=True)
    return None if made.returncode == 0 else f"no link can be made ({made.stderr.decode().strip()})"


class Node:
    """A Ray node in its namespaces; begins anew when it has ended, unless it was killed.

    Attributes:
        name: Of its network namespace.
        address: Its IP address.
    """

    def __init__(self, rig: "Rig", number: int, cpus: int) -> None:
        self.name = f"{rig.token}-n{number}"
        self.address = f"{rig.network}.{10 + number}"
        self._rig = rig
        self._number = number
        self._cpus = cpus
        self._link = f"{rig.token}{number}"
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        """Make its network."""
        _connect(self._rig.bridge, self.name, self._link, self.address)

    def disconnect(self) -> None:
        """Remove its network."""
        _disconnect(self.name, self._link)

    def start(self) -> None:
        """Begin; returns at once."""
        where = ["--head", f"--port={HEAD_PORT}", "--dashboard-host=0.0.0.0", f"--dashboard-port={JOBS_PORT}"]
        if self._number:
            where = [f"--address={self._rig.head.address}:{HEAD_PORT}"]
        start = " ".join(
            [
                sys.executable,
                "-c",
                "'from ray.scripts.scripts import main; main()'",
                "start",
                "--block",
                *where,
                f"--node-ip-address={self.address}",
                f"--num-cpus={self._cpus}",
                f"--object-store-memory={120 * 2**20}",
                "--disable-usage-stats",
            ]
        )
        temporary = self._rig.folder / f"tmp-{self._number}"
        temporary.mkdir(exist_ok=True)
        # Ray's sockets and sessions are a machine's own.
        script = (
            f"mkdir -p /tmp/ray; mount --bind {temporary} /tmp/ray; hostname node{self._number}; "
            f"while true; do {start}; sleep {_RESTART_S}; done"
        )
        log = (self._rig.folder / f"node-{self._number}.log").open("ab")
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", self.name, "unshare", "--mount", "--pid", "--uts", "--fork", "--mount-proc",
             "--kill-child", "bash", "-c", script],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._rig.environment, cwd=ROOT,
            start_new_session=True,
        )  # fmt: skip
        log.close()

    @property
    def runs(self) -> bool:
        """Whether it has begun and was not killed."""
        return self._process is not None

    def init(self) -> psutil.Process:
        """Return the first process of its PID namespace."""
        assert self._process is not None
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            children = psutil.Process(self._process.pid).children()
            if children:
                return children[0]
            time.sleep(0.05)
        raise AssertionError(f"{self.name} has not begun")

    def processes(self, title: str) -> list[psutil.Process]:
        """Return its processes whose title begins so."""
        found = []
        for process in self.init().children(recursive=True):
            with suppress(psutil.Error):
                if " ".join(process.cmdline()).startswith(title):
                    found.append(process)
        return found

    def kill(self) -> None:
        """End all its processes at once, by SIGKILL; it does not begin anew."""
        if self._process is None:
            return
        with suppress(psutil.Error, AssertionError):
            self.init().send_signal(signal.SIGKILL)
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(20)
        self._process = None

    def cut(self) -> None:
        """Lose all packets from now on."""
        _ip("link", "set", self._link, "down")

    def mend(self) -> None:
        """Lose no more."""
        _ip("link", "set", self._link, "up")


class Outside:
    """A machine beside the cluster: whoever submits jobs, and what keeps runs and files.

    Attributes:
        name: Of its network namespace.
        address: Its IP address.
    """

    def __init__(self, rig: "Rig") -> None:
        self.name = f"{rig.token}-out"
        self.address = f"{rig.network}.9"
        self._rig = rig
        self._link = f"{rig.token}out"

    def connect(self) -> None:
        """Make its network."""
        _connect(self._rig.bridge, self.name, self._link, self.address)

    def disconnect(self) -> None:
        """Remove its network."""
        _disconnect(self.name, self._link)

    def command(self, *arguments: str) -> list[str]:
        """Return a command line that runs another one there."""
        return ["ip", "netns", "exec", self.name, *arguments]

    def python(self, code: str, *arguments: str, seconds: float = 120, **environment: str) -> str:
        """Run a Python program there and return what it prints."""
        done = subprocess.run(
            self.command(sys.executable, "-c", code, *arguments),
            env={**self._rig.environment, **environment}, cwd=ROOT, timeout=seconds, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


class Rig:
    """The cluster.

    Attributes:
        folder: Storage that all nodes share.
        head: The first node.
        workers: The others.
        outside: Who is not part of it.
        environment: Of all processes in it.
    """

    def __init__(self, folder: Path, cpus: tuple[int, ...]) -> None:
        self.token = f"vr{secrets.token_hex(2)}"
        self.bridge = f"{self.token}b"
        self.network = f"10.{secrets.randbelow(56) + 200}.{secrets.randbelow(256)}"
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTEST_"))},
            # A job says `python`.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            # Of the gateway, which answers nobody without one where it listens beyond its machine.
            "VLM_REWARDS_TOKENS": secrets.token_hex(24),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            "VLM_REWARDS_CACHE": str(folder / "cache"),
        }
        self.head, *self.workers = (Node(self, number, count) for number, count in enumerate(cpus))
        self.outside = Outside(self)

    @property
    def jobs(self) -> str:
        """Address of the cluster's job server."""
        return f"http://{self.head.address}:{JOBS_PORT}"

    @property
    def nodes(self) -> list[Node]:
        """All nodes."""
        return [self.head, *self.workers]

    def command(self, *arguments: str) -> list[str]:
        """Return a command line that runs another one on the head."""
        return ["nsenter", f"--target={self.head.init().pid}", "--mount", "--net", "--pid", "--uts", f"--wd={ROOT}",
                *arguments]  # fmt: skip

    def start(self) -> None:
        """Begin, and wait until all nodes are there."""
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("link", "set", self.bridge, "up")
        self.outside.connect()
        for node in self.nodes:
            node.connect()
            node.start()
        self.wait_for(len(self.nodes))

    def mend(self) -> None:
        """Mend all links, begin those nodes that were killed, and wait until all are there."""
        for node in self.nodes:
            node.mend()
            if not node.runs:
                node.start()
        self.wait_for(len(self.nodes))

    def wait_for(self, number: int, seconds: float = 240) -> None:
        """Wait until so many nodes are alive."""
        code = (
            "import sys, time, ray\n"
            f"end = time.monotonic() + {seconds}\n"
            "while True:\n"
            "    try:\n"
            "        ray.is_initialized() or ray.init(address=sys.argv[1], logging_level='ERROR')\n"
            f"        if sum(node['Alive'] for node in ray.nodes()) == {number}: break\n"
            "    except Exception as error:\n"
            "        if time.monotonic() > end: raise\n"
            "    assert time.monotonic() < end, ray.nodes()\n"
            "    time.sleep(0.5)\n"
        )
        address = f"{self.head.address}:{HEAD_PORT}"
        subprocess.run(
            self.command(sys.executable, "-c", code, address),
            env=self.environment, check=True, timeout=seconds + 60, capture_output=True,
        )  # fmt: skip

    def stop(self) -> None:
        """Remove everything."""
        for node in self.nodes:
            node.kill()
        for place in (*self.nodes, self.outside):
            place.disconnect()
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", self.bridge)


@contextmanager
def cluster(*cpus: int) -> Iterator[Rig]:
    """Run a cluster with these CPUs on its head and its workers."""
    # Not in /tmp/ray's neighbourhood: pytest's folders have long paths, and Ray's sockets must not.
    with tempfile.TemporaryDirectory(prefix="vr-cluster-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        rig = Rig(Path(folder), cpus)
        try:
            rig.start()
            yield rig
        finally:
            rig.stop()


def _connect(bridge: str, name: str, link: str, address: str) -> None:
    _ip("netns", "add", name)
    _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", link, "master", bridge, "up")
    _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", name, "link", "set", "lo", "up")


def _disconnect(name: str, link: str) -> None:
    for command in (("link", "del", link), ("netns", "del", name)):
        with suppress(subprocess.CalledProcessError):
            _ip(*command)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
