"""Scenarios of failure, for the benchmark and for tests: killed replicas, a redeployment, far too much load."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ray import serve

from benchmarks.apps import Callers, fake_scores, request, running_replicas
from vlm_rewards.encoders import Encoder
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.service.application import build_app
from vlm_rewards.service.serving import RewardAppArgs


@dataclass
class Survival:
    """What became of the requests.

    Attributes:
        answered: Came back with scores.
        wrong: How many of those with others than the model's.
        lost: Ended with an error.
        kills: Replicas killed.
        longest_s: The longest that a request took.
        errors: The lost ones', for the report.
    """

    answered: int = 0
    wrong: int = 0
    lost: int = 0
    kills: int = 0
    longest_s: float = 0.0
    errors: list[str] = field(default_factory=list)


def kill_replicas(
    transport: HandleTransport,
    seconds: float,
    every_s: float,
    callers: int = 4,
    redeploy: Callable[[], None] = lambda: None,
) -> Survival:
    """Kill a replica of an emulated application now and then while callers check each answer.

    Args:
        transport: Transport of the application, at rest.
        seconds: How long.
        every_s: Seconds between two kills.
        callers: Threads that ask without a pause.
        redeploy: Called once, half-way.
    """
    requests = [request(16, seed=seed) for seed in range(8)]
    expected = [fake_scores(*one) for one in requests]
    client = RewardClient(transport, max_in_flight=callers)
    found = Survival()

    def call(index: int, count: int) -> None:
        which = (index + count) % len(requests)
        result = client.score(*requests[which])
        found.wrong += not np.array_equal(result.scores, expected[which])

    client.score(*requests[0])
    client.pop_stats()
    load = Callers(callers, call)
    start, redeployed = time.monotonic(), False
    while (now := time.monotonic() - start) < seconds:
        if not redeployed and now > seconds / 2:
            redeploy()
            redeployed = True
        try:
            os.kill(transport.replica_info(timeout_s=every_s).pid, signal.SIGKILL)
            found.kills += 1
        except (VLMRewardsError, ProcessLookupError):
            pass  # none is there to be killed just now
        time.sleep(max(0.0, every_s - (time.monotonic() - start - now)))
    load.stop()
    stats = client.pop_stats()
    found.answered, found.lost = load.answered, len(load.errors)
    found.longest_s = max(stats.latencies_s, default=0.0)
    found.errors = [f"{type(error).__name__}: {error}"[:200] for error in load.errors]
    return found


def redeployment(name: str, args: RewardAppArgs, encoder: Encoder | None) -> Callable[[], None]:
    """Return a function that sets a new version of an application rolling, and do not wait for it."""

    def redeploy() -> None:
        target = serve.RunTarget(target=build_app(args, encoder), name=name, route_prefix=None)
        serve.run_many([target], wait_for_applications_running=False)

    return redeploy


@dataclass
class Overload:
    """What became of far too many requests.

    Attributes:
        sent: Requests.
        answered: How many were answered with scores.
        refused: How many were refused by one of this library's errors, by its class.
        untyped: That ended in any other way.
        grown_mb: Most memory of the replica above that at rest, in MiB.
        recovery_s: Seconds from the last request sent to the first answer at the first attempt within a second.
    """

    sent: int
    answered: int
    refused: dict[str, int]
    untyped: int
    grown_mb: float
    recovery_s: float


def overload(transport: HandleTransport, frames_per_second: float, seconds: float, size: int = 64) -> Overload:
    """Offer frames at a fixed pace to an emulated application with one replica, and let nobody retry.

    Args:
        transport: Transport of the application, at rest.
        frames_per_second: Offered, in requests of 16.
        seconds: How long.
        size: Height and width of the frames.
    """
    frames, goal_ids = request(16, size=size)
    client = RewardClient(transport, max_retries=0, max_in_flight=100_000, timeout_s=30)
    client.score(frames, goal_ids)
    pid = transport.replica_info(timeout_s=10).pid
    before = most = _resident_bytes(pid)
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()

    def send() -> None:
        try:
            client.score(frames, goal_ids)
            outcome = "answered"
        except VLMRewardsError as error:
            outcome = type(error).__name__
        except BaseException:
            outcome = "untyped"
        with lock:
            outcomes[outcome] += 1

    threads: list[threading.Thread] = []
    start = time.monotonic()
    number = int(frames_per_second * seconds / 16)
    for index in range(number):
        time.sleep(max(0.0, start + index * 16 / frames_per_second - time.monotonic()))
        threads.append(threading.Thread(target=send, daemon=True))
        threads[-1].start()
        if index % 50 == 0:
            most = max(most, _resident_bytes(pid))
    end = time.monotonic()
    recovery_s = _first_prompt_answer(client, frames, goal_ids, end)
    for thread in threads:
        thread.join(timeout=60)
    with lock:
        counts = dict(outcomes)
    answered, untyped = counts.pop("answered", 0), counts.pop("untyped", 0)
    untyped += number - answered - untyped - sum(counts.values())  # those that never came back
    return Overload(number, answered, counts, untyped, (most - before) / 2**20, recovery_s)


def _resident_bytes(pid: int) -> int:
    """Return the memory of a process of this machine."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _first_prompt_answer(client: RewardClient, frames: np.ndarray, goal_ids: list[str], end: float) -> float:
    while time.monotonic() - end < 60:
        begin = time.monotonic()
        try:
            client.score(frames, goal_ids)
        except VLMRewardsError:
            time.sleep(0.05)
            continue
        if time.monotonic() - begin < 1.0:
            return time.monotonic() - end
    return 60.0


def wait_for_replicas(name: str, number: int, timeout_s: float = 60.0) -> None:
    """Wait until so many replicas are ready, or the time is over."""
    deadline = time.monotonic() + timeout_s
    while running_replicas(name) < number and time.monotonic() < deadline:
        time.sleep(0.1)
