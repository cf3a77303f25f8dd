"""Who lives says so; who does not for too long is closed, by whoever lives, wherever it ran."""

import socket
import time

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from vlm_rewards.tracking import MlflowRun, abandoned_runs, heartbeat
from vlm_rewards.tracking.abandoned_runs import END_REASON, HEARTBEAT_SECONDS, SILENT_SECONDS
from vlm_rewards.tracking.heartbeat import Heartbeat
from vlm_rewards.tracking.store import default_uri


@pytest.fixture(scope="module")
def client(tmp_path_factory, with_store):
    folder = with_store(tmp_path_factory.mktemp("heartbeat"))
    return MlflowClient(tracking_uri=default_uri(folder))


@pytest.fixture(scope="module")
def experiment(client):
    return client.create_experiment("beats")


def other(client, experiment, seconds_ago, **tags):
    """A RUNNING run of a process elsewhere that was last seen so long ago."""
    theirs = {
        "process.host": "another-node",
        "process.namespace": "pid:[1]",
        "process.pid": "1",
        "process.started": "1.0",
        "process.seen": f"{time.time() - seconds_ago:.0f}",
    }
    return client.create_run(experiment, tags=theirs | tags).info.run_id


def status(client, run_id):
    run = client.get_run(run_id)
    return run.info.status, run.data.tags.get("end_reason")


def test_a_dead_run_is_not_running_for_two_minutes():
    """Silent, then noticed by one that beats; noticed a beat later at worst."""
    assert SILENT_SECONDS + 2 * HEARTBEAT_SECONDS < 120
    assert SILENT_SECONDS > 4 * HEARTBEAT_SECONDS, "one or two lost beats are no death"


@pytest.mark.parametrize(
    ("tags", "seconds_ago", "is_dead"),
    [
        ({}, 5, False),
        ({}, SILENT_SECONDS + 5, True),
        # The same pid in another PID namespace of a host of this name is another process.
        ({"process.host": socket.gethostname()}, 5, False),
        ({"process.host": socket.gethostname()}, SILENT_SECONDS + 5, True),
        # Here the process is known to be gone.
        ({"process.host": socket.gethostname(), "process.namespace": abandoned_runs._pid_namespace()}, 5, True),
    ],
)
def test_a_run_is_dead_when_it_is_silent_or_its_process_here_is_gone(client, experiment, tags, seconds_ago, is_dead):
    run_id = other(client, experiment, seconds_ago, **tags)
    closed = abandoned_runs.close_abandoned_runs(client, experiment)
    assert (run_id in closed) is is_dead
    assert status(client, run_id) == (("KILLED", END_REASON) if is_dead else ("RUNNING", None))
    client.set_terminated(run_id)


def test_a_run_that_is_none_of_ours_is_left_alone(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    assert abandoned_runs.close_abandoned_runs(client, experiment) == []
    client.set_terminated(run_id)


def test_an_open_run_beats_until_it_ends(client, tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.05)
    beats = iter(range(1000))
    monkeypatch.setattr(heartbeat, "seen_now", lambda: str(next(beats)))

    def seen():
        return client.get_run(run.run_id).data.tags["process.seen"]

    with MlflowRun.start(
        uri=client.tracking_uri, experiment="open", name="run", params={}, tags={}, spill_folder=tmp_path
    ) as run:
        deadline = time.monotonic() + 20
        while not 2 <= float(seen()) < 1000 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert float(seen()) < 1000
    time.sleep(0.2)
    last = seen()
    time.sleep(0.3)
    assert seen() == last
    assert status(client, run.run_id) == ("FINISHED", None)


class Clock:
    """Time in this process, as tests want it."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(heartbeat, "time", clock)
    return clock


def test_who_beats_closes_the_dead_once_all_that_live_had_time_to_say_so(client, experiment, clock):
    mine = other(client, experiment, 0)
    beating = Heartbeat(client, mine, experiment, client.tracking_uri)
    dead = other(client, experiment, SILENT_SECONDS + 5)
    for _ in range(5):
        clock.now += HEARTBEAT_SECONDS
        beating.beat()
    assert status(client, dead)[0] == "RUNNING"
    clock.now += HEARTBEAT_SECONDS
    beating.beat()
    assert status(client, dead) == ("KILLED", END_REASON)
    assert status(client, mine)[0] == "RUNNING"
    client.set_terminated(mine)


def test_after_an_outage_nobody_is_judged_and_who_was_taken_for_dead_is_back(client, experiment, clock):
    mine = other(client, experiment, 0)
    beating = Heartbeat(client, mine, experiment, client.tracking_uri)
    clock.now += 100 * HEARTBEAT_SECONDS  # it has long been heard
    neighbour = other(client, experiment, 300)  # whose beats did not arrive either
    client.set_tag(mine, "end_reason", END_REASON)
    client.set_terminated(mine, "KILLED")  # by one that started when the store was back
    beating.beat()
    assert status(client, mine) == ("RUNNING", None)
    assert status(client, neighbour)[0] == "RUNNING"
    client.set_terminated(neighbour)
    # What somebody closed on purpose stays closed.
    client.set_tag(mine, "end_reason", "the study was interrupted")
    client.set_terminated(mine, "KILLED")
    clock.now += SILENT_SECONDS + 1
    beating.beat()
    assert status(client, mine) == ("KILLED", "the study was interrupted")


def test_a_store_that_is_away_ends_no_heartbeat(client, experiment, monkeypatch):
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.02)
    mine = other(client, experiment, 0)
    beating = Heartbeat(client, mine, experiment, client.tracking_uri)
    calls = []

    def away(*arguments):
        calls.append(arguments)
        raise MlflowException("away")

    monkeypatch.setattr(client, "set_tag", away)
    beating.start()
    deadline = time.monotonic() + 20
    while len(calls) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    beating.stop()
    assert len(calls) >= 3
    client.set_terminated(mine)
