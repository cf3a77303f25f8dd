"""The gateway among strangers: honest callers beside such as hang up and such as send what costs most."""

import contextlib
import itertools
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psutil
from ray import serve

from benchmarks.apps import FAKE, deployed, emulated_args, http_gateway
from benchmarks.apps import TASK_SET as GOALS
from benchmarks.crowd import Crowd
from benchmarks.row import Row, benchmark
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service import InProcessTransport
from vlm_rewards.service.http import LocalServer, TransportBackend, create_app
from vlm_rewards.service.serving import ReplicaLimits

_ROUNDS = 4
_APP = "soak"
# What is killed in turn, one every twenty seconds: each once a minute.
_VICTIMS = ("ray::ServeReplica:gateway:", "ray::ProxyActor", f"ray::ServeReplica:{_APP}:")
_KILL_EVERY_S = 20.0
KILLED_SECONDS = 1800.0


@benchmark("soak-lost", "soak-held", "soak-memory")
def soak(quick: bool) -> list[Row]:
    """Count answers that were wrong or never came in minutes of it, and what is left over at the end."""
    seconds = 30.0 if quick else 300.0
    model = RewardModel(FAKE, GOALS)
    app = create_app(TransportBackend(lambda: {"fake": InProcessTransport(model)}))
    admission = app.state.admission
    sizes, left_over = [], 0
    with LocalServer(app) as server:
        crowd = Crowd(server.url, "fake")
        for _ in range(_ROUNDS):
            crowd.call_for(seconds / _ROUNDS)
            left_over += _left_over(lambda: admission.requests + admission.bytes)
            sizes.append(psutil.Process().memory_info().rss / 2**20)
    bad = crowd.counts["lost"] + crowd.counts["wrong"]
    note = f"{crowd.summary()} in {seconds:.0f} s"
    return [
        Row("soak-lost", "honest requests that were answered wrongly or not at all", bad, 0, "<=", "", note),
        Row("soak-held", "bytes and places that the gateway still counts afterwards", left_over, 0, "<=", ""),
        Row("soak-memory", "MiB by which the process grew from the end of the first round to that of the last",
            sizes[-1] - sizes[0], 64, "<=", "", ", ".join(f"{size:.0f}" for size in sizes) + " MiB after each round"),
    ]  # fmt: skip


@benchmark("killed-soak-lost", "killed-soak-held", "killed-soak-memory", needs_ray=True)
def killed_soak(quick: bool) -> list[Row]:
    """Do the same on Ray Serve, with the gateway, its proxy and the reward's replica killed once a minute each."""
    seconds = 60.0 if quick else KILLED_SECONDS
    args = emulated_args(replicas=ReplicaLimits(minimum=1, maximum=1))
    with http_gateway() as url, deployed(_APP, args, seconds_per_batch=0.01):
        crowd = Crowd(url, _APP)
        with _kills_in_turn() as killed, _largest_gateway() as sizes:
            crowd.call_for(seconds)
        time.sleep(30)  # whoever was killed last is back
        handle = serve.get_app_handle("gateway")
        left_over = _left_over(lambda: _at_work(handle))
    bad = crowd.counts["lost"] + crowd.counts["wrong"]
    kills = ", ".join(f"{name.rstrip(':').rpartition(':')[2]} {count} times" for name, count in killed.items())
    note = f"{crowd.summary()} in {seconds:.0f} s; killed: {kills}"
    return [
        Row("killed-soak-lost", "honest requests lost within 50 s or answered wrongly, all three killed each minute",
            bad, 0, "<=", "", note),
        Row("killed-soak-held", "bytes and places that the gateway still counts afterwards", left_over, 0, "<=", ""),
        Row("killed-soak-memory", "MiB by which gateways were larger in the second half, medians of the most of each",
            _growth(list(sizes.values())), 64, "<=", "",
            ", ".join(f"{size:.0f}" for size in sizes.values()) + " MiB, most of each with what it held"),
    ]  # fmt: skip


@contextlib.contextmanager
def _kills_in_turn() -> Iterator[Counter[str]]:
    """Kill one of the victims every twenty seconds for the duration, and count."""
    killed: Counter[str] = Counter()
    victims = itertools.cycle(_VICTIMS)

    def kill() -> None:
        victim = next(victims)
        for process in _processes(victim):
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
                killed[victim] += 1

    with _every(_KILL_EVERY_S, kill):
        yield killed


@contextlib.contextmanager
def _largest_gateway() -> Iterator[dict[int, float]]:
    """Watch the most memory in MiB of each gateway process that serves for 15 seconds or more, by process id."""
    sizes: dict[int, float] = {}
    first: dict[int, float] = {}

    def look() -> None:
        for process in _processes(_VICTIMS[0]):
            with contextlib.suppress(psutil.Error):
                seen = first.setdefault(process.pid, time.monotonic())
                if time.monotonic() - seen > 15:
                    size = process.memory_info().rss / 2**20
                    sizes[process.pid] = max(size, sizes.get(process.pid, 0.0))

    with _every(0.25, look):
        yield sizes


@contextlib.contextmanager
def _every(seconds: float, work: Callable[[], None]) -> Iterator[None]:
    """Do something again and again for the duration, in a thread beside."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(seconds):
            work()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _growth(sizes: list[float]) -> float:
    half = len(sizes) // 2
    return statistics.median(sizes[half:]) - statistics.median(sizes[:half]) if half else 0.0


def _processes(title: str) -> list[psutil.Process]:
    """Return the processes that this one's Ray has started under a title."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if " ".join(process.cmdline()).startswith(title):
                found.append(process)
    return found


def _at_work(handle: Any) -> int:
    found = handle.at_work.remote().result(timeout_s=60)
    return int(found["requests"] + found["bytes"])


def _left_over(counted: Callable[[], int]) -> int:
    """Wait until all who left are done with, and return what is counted still: places and bytes."""
    deadline = time.monotonic() + 30
    while counted() and time.monotonic() < deadline:
        time.sleep(0.05)
    return counted()
