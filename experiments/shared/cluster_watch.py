"""Says once what happens to the cluster under a run: nodes that go and come, what waits for what, replicas that start.

Without it a run that waits is silent: for a node, for CPUs that somebody else holds, for a replica that starts again.
"""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

from experiments.shared.cluster_state import ClusterState, cluster_state

_INTERVAL_S = 5.0
# What waits for less time than this is only beginning.
_PATIENCE_S = 10.0


class ClusterWatch:
    """Looks at the cluster every few seconds in a thread of its own, for as long as it is entered.

    Attributes:
        counts: For metrics: nodes alive, lost and silent, requests for resources that wait, and replicas missing.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        look: Callable[[], ClusterState] = cluster_state,
        log: Callable[[Mapping[str, float]], None] | None = None,
    ) -> None:
        """Get ready.

        Args:
            say: Told each thing once, in one line.
            look: Returns the cluster's state.
            log: Given `counts` whenever they have changed.
        """
        self.counts: Mapping[str, float] = {}
        self._say = say
        self._look = look
        self._log = log
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._nodes: dict[str, str] = {}
        self._lost: dict[str, float] = {}
        self._ever_lost = 0
        self._silent: dict[str, float] = {}
        self._waiting: dict[tuple[str, str], float] = {}
        self._told: set[tuple[str, str]] = set()
        self._most: dict[str, int] = {}
        self._short: dict[str, float] = {}
        self._blind_since: float | None = None

    def __enter__(self) -> Self:
        self._over.clear()
        self._thread = threading.Thread(target=self._watch, name="cluster-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        assert self._thread is not None
        # A look at a cluster that is gone may last; the thread ends with the process.
        self._thread.join(2.0)

    def update(self, now: ClusterState, at: float | None = None) -> None:
        """Say what is new in a state of the cluster.

        Args:
            now: The state.
            at: When it was, in seconds since 1970; None is now.
        """
        at = time.time() if at is None else at
        self._say_nodes(now, at)
        self._say_silent(now, at)
        self._say_waiting(now, at)
        self._say_replicas(now, at)
        before = self.counts
        self.counts = {
            "cluster/nodes": len(now.nodes),
            "cluster/nodes_lost": self._ever_lost,
            "cluster/nodes_silent": len(self._silent),
            "cluster/waiting": sum(now.waiting.values()),
            "cluster/replicas_missing": sum(self._most[name] - now.replicas[name][0] for name in self._short),
        }
        if self._log is not None and self.counts != before:
            self._log(self.counts)

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                state = self._look()
            except Exception:  # whatever it is, the run itself finds out what is wrong
                if self._blind_since is None and not self._over.is_set():
                    self._blind_since = time.time()
                    self._say("the cluster's head does not answer: until it does, nothing is seen of its nodes")
            else:
                if self._blind_since is not None:
                    self._say(f"the cluster's head answers again, after {time.time() - self._blind_since:.0f} s")
                    self._blind_since = None
                self.update(state)
            self._over.wait(_INTERVAL_S)

    def _say_nodes(self, now: ClusterState, at: float) -> None:
        for node in self._nodes.keys() - now.nodes.keys():
            self._lost[self._nodes[node]] = self._silent.pop(node, at)
            self._ever_lost += 1
            self._say(f"node {self._nodes[node]} is lost, since {_clock(self._lost[self._nodes[node]])}")
        for node in now.nodes.keys() - self._nodes.keys():
            address = now.nodes[node]
            if address in self._lost:
                self._say(f"node {address} is back after {at - self._lost.pop(address):.0f} s")
            elif self._nodes:
                self._say(f"node {address} has joined")
        self._nodes = dict(now.nodes)

    def _say_silent(self, now: ClusterState, at: float) -> None:
        for node in now.silent - self._silent.keys():
            self._silent[node] = at
            self._say(f"node {now.nodes[node]} does not answer, since {_clock(at)}; Ray waits before it gives it up")
        for node in self._silent.keys() - now.silent:
            self._say(f"node {now.nodes[node]} answers again, after {at - self._silent.pop(node):.0f} s")

    def _say_waiting(self, now: ClusterState, at: float) -> None:
        for what in self._waiting.keys() - now.waiting.keys():
            since = self._waiting.pop(what)
            if what in self._told:
                self._told.remove(what)
                self._say(f"{what[0]} has got its {what[1]}, after {at - since:.0f} s")
        for what, number in now.waiting.items():
            since = self._waiting.setdefault(what, at)
            if what in self._told or at - since < _PATIENCE_S:
                continue
            self._told.add(what)
            many = f"{number} times " if number > 1 else ""
            held = "; ".join(f"{name} hold {cpus:g}" for name, cpus in sorted(now.held.items())) or "nobody holds any"
            self._say(f"{what[0]} waits for {many}{what[1]}, since {_clock(since)}. Of the CPUs, {held}")

    def _say_replicas(self, now: ClusterState, at: float) -> None:
        for name in self._short.keys() - now.replicas.keys():
            del self._short[name]
        for name, (running, starting) in now.replicas.items():
            most = self._most.get(name, 0)
            if name in self._short:
                if running >= most or not starting:
                    self._say(
                        f"reward application {name} has {running} replicas again, "
                        f"after {at - self._short.pop(name):.0f} s"
                    )
                    self._most[name] = running
            elif running < most and starting:
                self._short[name] = at
                self._say(f"reward application {name}: {most - running} of {most} replicas start again")
            else:
                self._most[name] = running


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at):%H:%M:%S}"
