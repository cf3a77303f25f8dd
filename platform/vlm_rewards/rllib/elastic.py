"""Env runners that may be lost: what dies is replaced, what raises ends the training.

RLlib can restart env runners itself, but then takes every error for a death, an environment that raises among them,
and says nothing. Here a lost process or node costs the fragment that was being played; an error of the environment or
the reward still ends `Algorithm.train()` as itself.
"""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.utils.actor_manager import FaultTolerantActorManager, RemoteCallResults

from vlm_rewards.rllib.health import EnvRunnersLostError, raise_cause

_LOST = (RayActorError, NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError)
_ASYNCHRONOUS_SAMPLE = "sample_get_state_and_metrics"
# Deaths of one env runner, without a fragment delivered in between, that are more than bad luck.
_MOST_DEATHS = 5
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_POLL_S = 0.25
# A wait for samples is told if it is so much longer than any before; the first, with whatever is built in it, has more.
_LONGER_THAN_EVER = 4
_LONG_WAIT_S = 30.0
_LONG_FIRST_WAIT_S = 120.0


class ElasticRunners(FaultTolerantActorManager):
    """The remote env runners of an algorithm, in the place of RLlib's own manager of them.

    A runner whose process or node is gone, or that does not answer for `sample_timeout_s`, is replaced by a new one as
    soon as the cluster has room for it: of the same index, with the newest weights, and seeded anew. Its unfinished
    fragment is dropped, steps, metrics and all. Others go on meanwhile; below `least` of them the training waits.

    Attributes:
        least: Env runners without which no sampling begins.
        lost: Times that one was lost.
        dropped: Fragments that were being played, or not handed over yet, when their env runner was lost.
        say: Told in one line what happens, once each.
    """

    def __init__(self, algorithm: Algorithm, min_share: float) -> None:
        """Take over an algorithm's env runners.

        Args:
            algorithm: Has remote env runners, all alive.
            min_share: Share of the env runners below which the training waits, in (0, 1].
        """
        group: Any = algorithm.env_runner_group
        config = algorithm.config
        assert config is not None
        super().__init__(
            max_remote_requests_in_flight_per_actor=config.max_requests_in_flight_per_env_runner,
            init_id=1,
        )
        self.add_actors(list(group._worker_manager.actors().values()))
        self.least = max(1, math.ceil(min_share * self.num_actors()))
        self.lost = 0
        self.dropped = 0
        self.say: Callable[[str], None] = logging.getLogger(__name__).warning
        self._min_share = min_share
        self._group = group
        self._seed = config.seed or 0
        self._sample_timeout_s = config.sample_timeout_s
        self._longest_wait_s: float | None = None
        # By index: when it was lost, how often in a row, when the next one may begin, and the answer it begins with.
        self._lost_at: dict[int, float] = {}
        self._deaths: Counter[int] = Counter()
        self._begins_at: dict[int, float] = {}
        self._begun: dict[int, Any] = {}

    @property
    def counts(self) -> dict[str, float]:
        """What metrics keep, counts of at least 0: env runners alive, lost, replaced, and fragments dropped."""
        return {
            "env_runners": self.num_healthy_actors(),
            "env_runners_lost": self.lost,
            "env_runner_restarts": self.total_num_restarts(),
            "fragments_dropped": self.dropped,
        }

    def foreach_actor(self, func: Any, **call: Any) -> RemoteCallResults:
        """Call the living env runners, as RLlib does; what came back from those that died meanwhile is left out.

        Raises:
            EnvRunnersLostError: One dies again and again.
        """
        # One that is beginning would let `stop()` wait for room in the cluster.
        call["healthy_only"] = True
        if not self._is_sampling(None, call.get("timeout_seconds")):
            return _without_lost(super().foreach_actor(func, **call))
        asked = {i for i in call.get("remote_actor_ids") or self.actor_ids() if self.is_actor_healthy(i)}
        with self._long_wait_told():
            results = super().foreach_actor(func, **call)
        for silent in sorted(asked - {result.actor_id for result in results.result_or_errors}):
            self._lose(silent, f"no answer in {self._sample_timeout_s:g} s", samples=True)
        return _without_lost(results)

    def fetch_ready_async_reqs(self, **call: Any) -> RemoteCallResults:
        """Fetch what is ready, as RLlib does; what came back from those that died is left out."""
        return _without_lost(super().fetch_ready_async_reqs(**call))

    def probe_unhealthy_actors(self, timeout_seconds: float | None = None, mark_healthy: bool = False) -> list[int]:
        """Replace what was lost, and wait while fewer than `least` are alive. RLlib calls it before it samples.

        Returns:
            Indices of the env runners that are new; RLlib gives them the newest weights.

        Raises:
            EnvRunnersLostError: One dies again and again.
            Exception: Whatever the environment raised when it was built anew.
        """
        back = self._replaced()
        if self.num_healthy_actors() >= self.least:
            return back
        begin = time.monotonic()
        self.say(
            f"{self._alive()} are left, and sampling.min_env_runners_share {self._min_share:g} asks for {self.least}: "
            "training waits for more"
        )
        while self.num_healthy_actors() < self.least:
            time.sleep(_POLL_S)
            back += self._replaced()
        self.say(f"{self._alive()} are there after {time.monotonic() - begin:.0f} s: training goes on")
        return back

    def adopted(self, episodes: Any) -> Any:
        """Return a reference to episodes that outlives the env runner which made them; None where it has died already.

        Args:
            episodes: Reference to what an env runner sampled and still owns.
        """
        try:
            return ray.put(ray.get(episodes))
        except RayError as error:
            if not is_lost(error):
                raise
            self.dropped += 1
            return None

    @contextmanager
    def _long_wait_told(self) -> Iterator[None]:
        """Say when samples take long to come, and when the wait is over: after a cut link Ray may wait for minutes."""
        most = self._longest_wait_s
        patience = _LONG_FIRST_WAIT_S if most is None else max(_LONG_WAIT_S, _LONGER_THAN_EVER * most)
        timer = threading.Timer(
            patience,
            lambda: self.say(
                f"{self._alive()} were asked for samples {patience:.0f} s ago, and not all have answered: one that has "
                f"not after {self._sample_timeout_s:.0f} s is replaced"
            ),
        )
        timer.daemon = True
        begin = time.monotonic()
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        took = time.monotonic() - begin
        if took > patience:
            self.say(f"the wait for samples was over after {took:.0f} s")
        # A later one of that length is told again; the first is the measure, however long it was.
        if most is None or took <= patience:
            self._longest_wait_s = max(took, most or 0.0)

    def _fetch_result(self, **call: Any) -> Any:
        readies, results = super()._fetch_result(**call)
        for result in results.result_or_errors:
            samples = self._is_sampling(result.tag, call.get("timeout_seconds"))
            if result.ok and samples:
                self._deaths.pop(result.actor_id, None)
            elif not result.ok and is_lost(result.get()):
                self._lose(result.actor_id, type(result.get()).__name__, samples)
        return readies, results

    def _is_sampling(self, tag: str | None, timeout_s: float | None) -> bool:
        return tag == _ASYNCHRONOUS_SAMPLE or (tag is None and timeout_s == self._sample_timeout_s)

    def _lose(self, index: int, why: str, samples: bool) -> None:
        if index in self._lost_at:
            return
        self.set_actor_state(index, healthy=False)
        # It may live behind a link that is cut, or hang: nothing of it may come back.
        with suppress(Exception):
            ray.kill(self._actors[index])
        self.lost += 1
        self.dropped += samples
        self._deaths[index] += 1
        self._lost_at[index] = time.monotonic()
        if self._deaths[index] > _MOST_DEATHS:
            raise EnvRunnersLostError(
                f"env runner {index} has died {self._deaths[index]} times without a sample in between ({why}): "
                "see its log, and whether it has enough memory"
            )
        pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (self._deaths[index] - 1))
        self._begins_at[index] = time.monotonic() + pause
        dropped = "; its unfinished fragment is dropped" if samples else ""
        self.say(f"env runner {index} is lost ({why}){dropped}; {self._alive()} are left, a new one begins")

    def _replaced(self) -> list[int]:
        back = []
        for index in sorted(self._lost_at):
            if index not in self._begun:
                if time.monotonic() >= self._begins_at[index]:
                    self._begin(index)
                continue
            if not ray.wait([self._begun[index]], timeout=0)[0]:
                continue
            try:
                ray.get(self._begun.pop(index))
            except RayError as error:
                if not is_lost(error):
                    raise_cause(_of_constructor(error))
                del self._lost_at[index]
                self._lose(index, type(error).__name__, samples=False)
                continue
            seconds = time.monotonic() - self._lost_at.pop(index)
            self.set_actor_state(index, healthy=True)
            self._num_actor_restarts += 1
            back.append(index)
            self.say(f"env runner {index} is back after {seconds:.0f} s: {self._alive()}")
        return back

    def _begin(self, index: int) -> None:
        """Ask for a new env runner; it begins when the cluster has room for it."""
        actor = self._group._make_worker(
            env_creator=self._group._env_creator,
            validate_env=None,
            worker_index=index,
            num_workers=self.num_actors(),
            recreated_worker=True,
            config=self._group._remote_config_obj_ref,
        )
        self._actors[index] = actor
        # With the seed of its predecessor it would play the run's first episodes again.
        own = np.random.SeedSequence(self._seed, spawn_key=(index, self.lost)).generate_state(1)[0]
        self._begun[index] = actor.apply.remote(func=partial(_begin_anew, seed=int(own % 2**31)))

    def _alive(self) -> str:
        return f"{self.num_healthy_actors()} of {self.num_actors()} env runners"


def make_elastic(algorithm: Algorithm, min_share: float) -> None:
    """Let an algorithm survive the loss of its remote env runners; one that samples in its own process has none."""
    group = algorithm.env_runner_group
    if group is None or not group.num_remote_env_runners():
        return
    # What it prints of a death is a page; `say` has a line.
    logging.getLogger(FaultTolerantActorManager.__module__).setLevel(logging.CRITICAL)
    group._worker_manager = ElasticRunners(algorithm, min_share)


def runners_of(algorithm: Any) -> ElasticRunners | None:
    """Return an algorithm's elastic env runners; None where it has none."""
    manager = getattr(getattr(algorithm, "env_runner_group", None), "_worker_manager", None)
    return manager if isinstance(manager, ElasticRunners) else None


def is_lost(error: BaseException) -> bool:
    """Tell whether an error means that a process or a node is gone, and not that something in it raised."""
    if isinstance(error, RayTaskError) or getattr(error, "actor_init_failed", False):
        return False
    return isinstance(error, _LOST)


def _without_lost(results: RemoteCallResults) -> RemoteCallResults:
    kept = RemoteCallResults()
    kept.result_or_errors = [result for result in results.result_or_errors if result.ok or not is_lost(result.get())]
    return kept


def _of_constructor(error: BaseException) -> BaseException:
    """Return the error that an actor's constructor raised, if it did."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, RayTaskError) else error


def _begin_anew(runner: Any, seed: int) -> None:
    runner.assert_healthy()
    runner.begin_anew(seed)


def counts_of(algorithm: Any) -> Mapping[str, float]:
    """Return `ElasticRunners.counts` of an algorithm, at least 0; nothing where it has no elastic env runners."""
    runners = runners_of(algorithm)
    return {} if runners is None else runners.counts
