"""What many callers ask of the Serve controller and of Ray's head: simulated, with replicas that only fail."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any
from unittest import mock

from ray.exceptions import ActorDiedError

from benchmarks.apps import request
from benchmarks.row import Row, benchmark
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.service import HandleTransport, RewardClient
from vlm_rewards.service.routing import MOST_REPLICAS, chosen
from vlm_rewards.service.transports import handle as handle_module
from vlm_rewards.service.transports.controller import Pace, Shared
from vlm_rewards.service.transports.handle import _Known

_CALLERS, _REPLICAS = 200, 16
_APP = "fan-in"


class _DeadReplicas:
    """Stands for a Serve handle whose replicas, sixteen of them, have all died."""

    is_initialized = True

    def options(self, **_: Any) -> "_DeadReplicas":
        return self

    def remote(self, *_: Any) -> "_DeadReplicas":
        return self

    def result(self, timeout_s: float) -> Any:
        raise ActorDiedError


class _Doubtful(_Known):
    """Looks up again whenever a request is lost."""

    def is_doubtful(self, app_name: str, callers: int) -> bool:
        """Say so."""
        return True


class _Controller:
    """Stands for Serve's: an answer takes it two milliseconds, and it counts."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def status(self) -> Any:
        self._answer("status")
        status = SimpleNamespace(value="UNHEALTHY")
        return SimpleNamespace(applications={_APP: SimpleNamespace(status=status, deployments={}, message="")})

    def get_app_handle(self, name: str) -> _DeadReplicas:
        self._answer("look-ups")
        return _DeadReplicas()

    def _answer(self, what: str) -> None:
        with self._lock:
            self.asked[what] += 1
            time.sleep(0.002)


@benchmark("fan-in-status", "fan-in-processes", "fan-in-look-ups")
def fan_in(quick: bool) -> list[Row]:
    """Count questions a second in an outage: of callers in one process, of a process each, and as it used to be."""
    seconds = 10.0 if quick else 40.0
    one = _outage(seconds, processes=1)
    many = _outage(seconds, processes=_CALLERS)
    before = _outage(seconds / 2, processes=_CALLERS, paced=False)
    each = [len(chosen((f"replica-{i}" for i in range(64)), f"caller-{j}", MOST_REPLICAS)) for j in range(1000)]
    what = f"status questions a second of {_CALLERS} callers x {_REPLICAS} dead replicas, {seconds:.0f} s"
    was = f"where each failed attempt asks: {_rates(before)}"
    return [
        Row("fan-in-status", f"{what}, in one process", one["status"], 10, "<=", "/s", f"{_rates(one)}; {was}"),
        Row("fan-in-processes", f"{what}, a process each", many["status"], 10, "<=", "/s", f"{_rates(many)}; {was}"),
        Row("fan-in-look-ups", "look-ups by name at the start of 1,000 callers x 64 replicas / all of all",
            sum(each) / 64_000, 0.25, "<=", note=f"{sum(each):,} instead of 64,000; other than the rest, reckoned"),
    ]  # fmt: skip


def _rates(rates: dict[str, float]) -> str:
    return ", ".join(f"{rate:.1f} {name}/s" for name, rate in sorted(rates.items()))


def _outage(seconds: float, processes: int, paced: bool = True) -> dict[str, float]:
    """Return what was asked a second, by kind, by callers that keep trying for so long."""
    frames, goal_ids = request(1, size=8)
    controller = _Controller()
    with _in_the_place_of_serve(controller):
        shared = _status(controller, 1, paced), _Known()
        callers = []
        for _ in range(_CALLERS):
            transport = HandleTransport(_APP, processes)
            if processes > 1:
                transport._status, transport._known = _status(controller, processes, paced), _Known()
                if not paced:
                    transport._known = _Doubtful()
            else:
                transport._status, transport._known = shared
            callers.append(RewardClient(transport, timeout_s=5, deadline_s=seconds))
            transport.connect(5)
        controller.asked.clear()

        def call(client: RewardClient) -> None:
            with suppress(VLMRewardsError):
                client.score(frames, goal_ids)

        threads = [threading.Thread(target=call, args=(client,)) for client in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {what: controller.asked[what] / seconds for what in ("status", "look-ups")}


def _status(controller: _Controller, callers: int, paced: bool) -> Shared[Any]:
    return Shared(controller.status, Pace(callers=callers) if paced else _always())


def _always() -> Any:
    return SimpleNamespace(is_due=lambda: True, callers=1)


@contextmanager
def _in_the_place_of_serve(controller: _Controller) -> Iterator[None]:
    context = SimpleNamespace(get_job_id=lambda: "job")
    ray = SimpleNamespace(is_initialized=lambda: True, get_runtime_context=lambda: context)
    with mock.patch.object(handle_module, "serve", controller), mock.patch.object(handle_module, "ray", ray):
        yield
