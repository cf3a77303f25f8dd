"""Callers of a gateway of every kind: honest ones who check each answer, such as hang up, and hostile ones."""

import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from benchmarks.apps import FAKE, TASK_SET
from benchmarks.hostile_rows import BODIES
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.service import HttpTransport, RewardClient

_HONEST, _LEAVING, _HOSTILE = 6, 4, 1
_GOALS = [goal.id for goal in TASK_SET.all_goals][:3]
# Those of `hostile_rows` that are quickest to send and dearest to read.
_CHOSEN = ("PNG texts", "fewer numbers for goals", "escapes", "eight progressive JPEGs", "sixty scans, many times")


class Crowd:
    """Eleven threads at one gateway: six honest, four that leave (a third), one that is hostile (a tenth).

    Attributes:
        counts: What became of their requests: `answered`, `wrong`, `lost` (an honest one within its deadline), `left`
            and `hostile`, each where it met somebody; else `met nobody`, as with a proxy that has just been killed.
        errors: What the lost ones ended with.
        slowest_s: The longest that an honest request took.
    """

    def __init__(self, url: str, model: str, deadline_s: float = 50.0) -> None:
        """Get ready; nobody calls yet.

        Args:
            url: The gateway's.
            model: Name of the fake reward model behind it.
            deadline_s: Seconds within which an honest request has to be answered, retries included.
        """
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self.slowest_s = 0.0
        self._host, port = url.removeprefix("http://").split(":")
        self._port = int(port)
        self._client = RewardClient(HttpTransport(url, model), timeout_s=20, deadline_s=deadline_s)
        self._expected = RewardModel(FAKE, TASK_SET)
        self._hostile_bodies = [_for_model(BODIES[name](), model) for name in _CHOSEN]
        self._good_body = _for_model(_one_image(), model)
        self._lock = threading.Lock()
        self._rounds = 0

    def call_for(self, seconds: float) -> None:
        """Call without a pause for so long, and return when the last request has ended."""
        stop = threading.Event()
        jobs = [self._honest] * _HONEST + [self._leaving] * _LEAVING + [self._hostile] * _HOSTILE
        threads = [
            threading.Thread(target=self._repeat, args=(job, stop, 100 * self._rounds + seed), daemon=True)
            for seed, job in enumerate(jobs)
        ]
        self._rounds += 1
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        stop.set()
        for thread in threads:
            thread.join(120)

    def summary(self) -> str:
        """Return the counts in words."""
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))
        return f"{found}; slowest honest answer {self.slowest_s:.1f} s" + "".join(f"; {e}" for e in self.errors[:3])

    def _repeat(self, once: Callable[[random.Random], str], stop: threading.Event, seed: int) -> None:
        draw = random.Random(seed)
        while not stop.is_set():
            outcome = once(draw)
            with self._lock:
                self.counts[outcome] += 1

    def _honest(self, draw: random.Random) -> str:
        frames = np.random.default_rng(draw.getrandbits(32)).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
        begin = time.monotonic()
        try:
            result = self._client.score_all(frames, _GOALS)
        except VLMRewardsError as error:
            self.errors.append(f"{type(error).__name__} after {time.monotonic() - begin:.0f} s: {error}"[:200])
            return "lost"
        self.slowest_s = max(self.slowest_s, time.monotonic() - begin)
        return "answered" if np.array_equal(result.scores, self._expected.score_all(frames, _GOALS)) else "wrong"

    def _leaving(self, draw: random.Random) -> str:
        content, media_type = self._good_body
        at = draw.choice([0, 1000, len(content) // 2, len(content) - 1, len(content)])
        return "left" if self._send(content, media_type, at, draw.choice([0, 0.005, 0.05, 0.3])) else "met nobody"

    def _hostile(self, draw: random.Random) -> str:
        return "hostile" if self._send(*draw.choice(self._hostile_bodies), None, 0) else "met nobody"

    def _send(self, content: bytes, media_type: str, leave_at: int | None, pause_s: float) -> bool:
        head = f"POST /v1/score HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {media_type}\r\nConnection: close\r\n"
        met = False
        try:
            with socket.create_connection((self._host, self._port), timeout=60) as connection:
                met = True
                connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode())
                connection.sendall(content[:leave_at])
                time.sleep(pause_s)
                while leave_at is None and connection.recv(65536):
                    pass
        except OSError:
            time.sleep(0.05)  # a gateway that has refused closes the connection before all is sent; one may be dead
        return met


def _one_image() -> tuple[bytes, str]:
    content, media_type = BODIES["one large image"]()
    request = json.loads(content)
    request["images"] = [request["images"][0]]
    return json.dumps(request).encode(), media_type


def _for_model(body: tuple[bytes, str], model: str) -> tuple[bytes, str]:
    """Return a body with the name of the model that there is, where it names one."""
    content, media_type = body
    names = (b'"model": "fake"', b'"model":"fake"')
    for name in names:
        content = content.replace(name, name.replace(b"fake", model.encode()), 1)
    return content, media_type
