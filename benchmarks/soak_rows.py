"""The gateway among strangers: honest callers beside such as hang up and such as send what costs most."""

import json
import random
import socket
import threading
import time
from collections.abc import Callable

import numpy as np
import psutil

from benchmarks.apps import FAKE, TASK_SET
from benchmarks.hostile_rows import BODIES
from benchmarks.row import Row, benchmark
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service import HttpTransport, InProcessTransport, RewardClient
from vlm_rewards.service.http import LocalServer, TransportBackend, create_app
from vlm_rewards.service.http.admission import Admission

_HONEST, _LEAVING, _HOSTILE = 6, 4, 1
_ROUNDS = 4
_GOALS = [goal.id for goal in TASK_SET.all_goals][:3]
# Those of `hostile_rows` that are quickest to send and dearest to read.
_CHOSEN = ("PNG texts", "fewer numbers for goals", "escapes", "four progressive JPEGs", "sixty scans, many times")


@benchmark("soak-lost", "soak-held", "soak-memory")
def soak(quick: bool) -> list[Row]:
    """Measure minutes among strangers: answers that were wrong or never came, and what is left over at the end."""
    seconds = 30.0 if quick else 300.0
    model = RewardModel(FAKE, TASK_SET)
    app = create_app(TransportBackend(lambda: {"fake": InProcessTransport(model)}))
    counts = {"answered": 0, "lost": 0, "left": 0, "hostile": 0}
    lock, stop = threading.Lock(), threading.Event()
    bodies = [BODIES[name]() for name in _CHOSEN]
    with LocalServer(app) as server:
        host, port = server.url.removeprefix("http://").split(":")

        def repeat(kind: str, once: Callable[[random.Random], bool], seed: int) -> None:
            draw = random.Random(seed)
            while not stop.is_set():
                good = once(draw)
                with lock:
                    counts[kind if good else "lost"] += 1

        def honest(draw: random.Random) -> bool:
            frames = np.random.default_rng(draw.getrandbits(32)).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
            try:
                result = clients.score_all(frames, _GOALS)
            except VLMRewardsError:
                return False
            return bool(np.array_equal(result.scores, model.score_all(frames, _GOALS)))

        def send(content: bytes, media_type: str, leave_at: int | None, pause_s: float) -> bool:
            head = f"POST /v1/score HTTP/1.1\r\nHost: {host}\r\nContent-Type: {media_type}\r\nConnection: close\r\n"
            try:
                with socket.create_connection((host, int(port)), timeout=60) as connection:
                    connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode())
                    connection.sendall(content[:leave_at])
                    time.sleep(pause_s)
                    while leave_at is None and connection.recv(65536):
                        pass
            except OSError:
                pass  # a gateway that has refused closes the connection before all is sent
            return True

        def leaving(draw: random.Random) -> bool:
            content, media_type = good_body
            at = draw.choice([0, 1000, len(content) // 2, len(content) - 1, len(content)])
            return send(content, media_type, at, draw.choice([0, 0.005, 0.05, 0.3]))

        def hostile(draw: random.Random) -> bool:
            return send(*draw.choice(bodies), None, 0)

        clients = RewardClient(HttpTransport(server.url, "fake"), timeout_s=20, deadline_s=50)
        good_body = _good_body()
        jobs = [("answered", honest)] * _HONEST + [("left", leaving)] * _LEAVING + [("hostile", hostile)] * _HOSTILE
        sizes, left_over = [], 0
        for number in range(_ROUNDS):
            stop.clear()
            threads = [
                threading.Thread(target=repeat, args=(*job, 100 * number + seed), daemon=True)
                for seed, job in enumerate(jobs)
            ]
            for thread in threads:
                thread.start()
            time.sleep(seconds / _ROUNDS)
            stop.set()
            for thread in threads:
                thread.join(90)
            left_over += _left_over(app.state.admission)
            sizes.append(psutil.Process().memory_info().rss / 2**20)
    note = ", ".join(f"{count} {kind}" for kind, count in counts.items()) + f" in {seconds:.0f} s"
    return [
        Row("soak-lost", "honest requests that were answered wrongly or not at all", counts["lost"], 0, "<=", "", note),
        Row("soak-held", "bytes and places that the gateway still counts afterwards", left_over, 0, "<=", ""),
        Row("soak-memory", "MiB by which the process grew from the end of the first round to that of the last",
            sizes[-1] - sizes[0], 64, "<=", "", ", ".join(f"{size:.0f}" for size in sizes) + " MiB after each round"),
    ]  # fmt: skip


def _left_over(admission: Admission) -> int:
    """Wait until all who left are done with, and return what is counted still: places and bytes."""
    deadline = time.monotonic() + 30
    while (admission.requests or admission.bytes) and time.monotonic() < deadline:
        time.sleep(0.05)
    return admission.requests + admission.bytes


def _good_body() -> tuple[bytes, str]:
    content, media_type = BODIES["one large image"]()
    request = json.loads(content)
    request["images"] = [request["images"][0]]
    return json.dumps(request).encode(), media_type
