"""Replicas that emulate accelerators: they hold a fixed time for every batch and need no processor for it."""

import itertools
import math
import threading
import time

from benchmarks.apps import Callers, deployed, emulated_args, request, running_replicas
from benchmarks.row import Row, benchmark
from vlm_rewards.service import RewardClient
from vlm_rewards.service.serving import ReplicaLimits

HOLD_S = 0.4
BATCH = 64
REQUEST = 32


def saturated_rate(replicas: int, seconds: float) -> float:
    """Return frames a second that so many emulated accelerators answer at saturation."""
    limits = ReplicaLimits(minimum=replicas, maximum=replicas)
    args = emulated_args(max_batch_frames=BATCH, max_wait_s=600, replicas=limits)
    frames, goal_ids = request(REQUEST)
    with deployed(f"bench-linear-{replicas}", args, seconds_per_batch=HOLD_S) as transport:
        client = RewardClient(transport, max_in_flight=1000, timeout_s=120, deadline_s=240)
        # Enough that each replica has its next batch waiting, though callers choose between two at random.
        callers = Callers(10 * replicas, lambda *_: client.score(frames, goal_ids))
        time.sleep(4 * HOLD_S)
        before, start = callers.answered, time.monotonic()
        time.sleep(seconds)
        rate = (callers.answered - before) * REQUEST / (time.monotonic() - start)
        callers.stop()
    return rate


@benchmark("replicas-linear", needs_ray=True)
def linearity(quick: bool) -> list[Row]:
    """Measure the throughput of eight replicas over eight times that of one."""
    seconds = 6 if quick else 20
    one, eight = (saturated_rate(replicas, seconds) for replicas in (1, 8))
    return [
        Row("replicas-linear", f"8 emulated accelerators ({HOLD_S} s a batch of {BATCH}) / 8 x one",
            eight / (8 * one), 0.9, ">=", note=f"{one:.0f} and {eight:.0f} frames/s"),
    ]  # fmt: skip


@benchmark("load-step", needs_ray=True)
def load_step(quick: bool) -> list[Row]:
    """Measure the seconds from a step in load to enough replicas for it, with the default limits' delays."""
    limits = ReplicaLimits(minimum=1, maximum=8)
    callers_of_step = 16
    args = emulated_args(max_batch_frames=BATCH, replicas=limits, max_wait_s=600)
    target = limits.target_frames or BATCH / 2
    frames, goal_ids = request(8)
    enough = math.ceil(callers_of_step * len(frames) / target)
    with deployed("bench-step", args, seconds_per_batch=HOLD_S) as transport:
        client = RewardClient(transport, max_in_flight=1000, timeout_s=60)
        callers = Callers(1, lambda *_: client.score(frames, goal_ids))
        time.sleep(3)
        before = running_replicas("bench-step")
        start = time.monotonic()
        step = Callers(callers_of_step - 1, lambda *_: client.score(frames, goal_ids))
        while running_replicas("bench-step") < enough and time.monotonic() - start < 60:
            time.sleep(0.05)
        took = time.monotonic() - start
        callers.stop()
        step.stop()
    note = f"{before} to {enough} replicas for {callers_of_step} callers of {len(frames)} frames"
    return [Row("load-step", "from a step in load to enough replicas", took, 5, "<=", unit="s", note=note)]


def open_stream(client: RewardClient, frames_per_second: float, seconds: float, frames_a_request: int = 16) -> int:
    """Send requests at their own pace, however slow the answers; return how many were not answered.

    Args:
        client: Client with room for all of them in flight.
        frames_per_second: Offered.
        seconds: How long.
        frames_a_request: Frames in each request.
    """
    frames, goal_ids = request(frames_a_request)
    failed: list[Exception] = []

    def send() -> None:
        try:
            client.score(frames, goal_ids)
        except Exception as error:
            failed.append(error)

    threads: list[threading.Thread] = []
    start = time.monotonic()
    for index in range(int(seconds * frames_per_second / frames_a_request)):
        time.sleep(max(0.0, start + index * frames_a_request / frames_per_second - time.monotonic()))
        threads.append(threading.Thread(target=send, daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return len(failed)


@benchmark("steady-load", needs_ray=True)
def steady_load(quick: bool) -> list[Row]:
    """Measure changes of the replica count under an even stream that three replicas can just manage."""
    settle, seconds = (15, 30) if quick else (60, 300)
    # Short delays: what swings does so within the measurement, and the default would hide it.
    limits = ReplicaLimits(minimum=1, maximum=8, target_frames=BATCH, downscale_delay_s=5)
    args = emulated_args(max_batch_frames=BATCH, replicas=limits)
    offered = 2.2 * BATCH / HOLD_S
    counts: list[int] = []
    with deployed("bench-steady", args, seconds_per_batch=HOLD_S) as transport:
        client = RewardClient(transport, max_in_flight=1000, timeout_s=60)
        failed: list[int] = []
        stream = threading.Thread(target=lambda: failed.append(open_stream(client, offered, settle + seconds)))
        stream.start()
        start = time.monotonic()
        while stream.is_alive() and time.monotonic() - start < settle + seconds:
            if time.monotonic() - start > settle:
                counts.append(running_replicas("bench-steady"))
            time.sleep(0.25)
        stream.join()
    changes = sum(before != after for before, after in itertools.pairwise(counts))
    note = f"{min(counts)} to {max(counts)} replicas at {offered:.0f} frames/s, {sum(failed)} requests failed"
    what = f"changes of the replica count in {seconds} s of steady load"
    return [Row("steady-load", what, changes, 1, "<=", unit="", note=note)]
