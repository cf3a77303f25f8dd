"""What is said of a cluster, and that it is said once: states that are written down, and a look at a real one."""

import pytest

from experiments.shared.cluster_state import ClusterState, cluster_state
from experiments.shared.cluster_watch import ClusterWatch

TWO = {"a": "10.0.0.1", "b": "10.0.0.2"}


@pytest.fixture
def said():
    return []


@pytest.fixture
def show(said):
    """Shows a watch a state at a number of seconds; returns what it says to it."""
    watch = ClusterWatch(said.append)

    def show(at, **state):
        before = len(said)
        watch.update(ClusterState(**{"nodes": TWO} | state), 1_700_000_000 + at)
        return said[before:], watch.counts

    return show


def test_a_quiet_cluster_is_silence(show, said):
    for at in range(0, 60, 5):
        show(at, held={"trials": 2}, replicas={"reward": (1, 0)})
    assert said == []


def test_a_node_that_goes_and_comes_back_is_said_once_each(show):
    show(0)
    lines, counts = show(5, nodes={"a": "10.0.0.1"})
    assert len(lines) == 1
    assert lines[0].startswith("node 10.0.0.2 is lost, since ")
    assert (counts["cluster/nodes"], counts["cluster/nodes_lost"]) == (1, 1)
    assert show(10, nodes={"a": "10.0.0.1"})[0] == []
    # A node that begins anew has another id.
    assert show(36, nodes={"a": "10.0.0.1", "c": "10.0.0.2"})[0] == ["node 10.0.0.2 is back after 31 s"]
    assert show(40, nodes={"a": "10.0.0.1", "c": "10.0.0.2", "d": "10.0.0.3"})[0] == ["node 10.0.0.3 has joined"]


def test_a_cut_link_is_said_before_ray_gives_the_node_up(show):
    show(0)
    (line,), counts = show(5, silent=frozenset("b"))
    assert line.startswith("node 10.0.0.2 does not answer, since ")
    assert counts["cluster/nodes_silent"] == 1
    assert show(10, silent=frozenset("b"))[0] == []
    assert show(25)[0] == ["node 10.0.0.2 answers again, after 20 s"]
    (first,), _ = show(30, silent=frozenset("b"))
    (lost,), counts = show(70, nodes={"a": "10.0.0.1"})
    # Lost since it fell silent, not since Ray noticed.
    assert lost.rpartition("since ")[2] == first.partition("since ")[2].partition(";")[0]
    assert counts["cluster/nodes_silent"] == 0


def test_what_waits_says_for_what_and_who_holds_it(show):
    waiting = {("trial", "2 CPU"): 1}
    held = {"trials": 2.0, "replica of reward-xs": 1.0}
    assert show(0, waiting=waiting, held=held)[0] == []
    (line,), counts = show(12, waiting=waiting, held=held)
    assert line.startswith("trial waits for 2 CPU, since ")
    assert line.endswith("Of the CPUs, replica of reward-xs hold 1; trials hold 2")
    assert counts["cluster/waiting"] == 1
    assert show(20, waiting=waiting, held=held)[0] == []
    assert show(42, held=held)[0] == ["trial has got its 2 CPU, after 42 s"]


def test_counts_are_logged_when_they_change():
    logged = []
    watch = ClusterWatch(lambda line: None, log=logged.append)
    for at, nodes in enumerate((TWO, TWO, {"a": "10.0.0.1"}, {"a": "10.0.0.1"})):
        watch.update(ClusterState(nodes=nodes), at)
    assert [counts["cluster/nodes"] for counts in logged] == [2, 1]


def test_what_begins_soon_is_not_waiting(show):
    show(0, waiting={("trial", "1 CPU"): 1})
    assert show(5)[0] == []


def test_replicas_that_start_again_are_said_and_those_that_are_added_are_not(show):
    show(0, replicas={"reward": (0, 1)})
    assert show(5, replicas={"reward": (1, 1)})[0] == []
    assert show(10, replicas={"reward": (2, 0)})[0] == []
    (line,), counts = show(15, replicas={"reward": (1, 1)})
    assert line == "reward application reward: 1 of 2 replicas start again"
    assert counts["cluster/replicas_missing"] == 1
    assert show(20, replicas={"reward": (1, 1)})[0] == []
    (line,), counts = show(27, replicas={"reward": (2, 0)})
    assert line == "reward application reward has 2 replicas again, after 12 s"
    assert counts["cluster/replicas_missing"] == 0
    # Scaled down.
    assert show(30, replicas={"reward": (1, 0)})[0] == []


def test_a_head_that_does_not_answer_is_said_once(said):
    looks = []

    def look():
        looks.append(1)
        if len(looks) < 4:
            raise ConnectionError
        if len(looks) == 5:
            watch._over.set()
        return ClusterState(nodes=TWO)

    watch = ClusterWatch(said.append, look)
    watch._over.wait = lambda seconds: None
    watch._watch()
    assert [line.partition(",")[0].partition(":")[0] for line in said] == [
        "the cluster's head does not answer",
        "the cluster's head answers again",
    ]


def test_a_real_cluster_says_what_waits_and_who_holds(ray_session):
    import time

    @ray_session.remote
    class Sleeper:
        def ready(self):
            return True

    holds, waits = Sleeper.options(num_cpus=0.25).remote(), Sleeper.options(num_cpus=100).remote()
    ray_session.get(holds.ready.remote())
    deadline = time.monotonic() + 20
    while ("Sleeper", "100 CPU") not in (state := cluster_state()).waiting and time.monotonic() < deadline:
        time.sleep(0.2)
    assert state.waiting["Sleeper", "100 CPU"] == 1
    assert state.held["Sleepers"] == 0.25
    assert len(state.nodes) == 1
    assert not state.silent
    for actor in (holds, waits):
        ray_session.kill(actor)
