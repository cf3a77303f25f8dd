"""A run whose tracking server hangs, goes, comes back, or refuses: nobody waits for long, and nothing is lost."""

import json
import logging
import signal
import threading
import time

import pytest
from mlflow.tracking import MlflowClient

from benchmarks.fake_tracker import fake_tracker
from vlm_rewards.errors import TrackingError
from vlm_rewards.tracking import MlflowRun, background_writer, mlflow_run
from vlm_rewards.tracking.closing import close_as_killed


@pytest.fixture
def tracker(tmp_path):
    with fake_tracker(tmp_path / "artifacts") as running:
        yield running


@pytest.fixture
def hurried(monkeypatch):
    """Waits of the real lengths' kind, shorter."""
    monkeypatch.setattr(background_writer, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(background_writer, "FIRST_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(mlflow_run, "FLUSH_SECONDS", dict.fromkeys(("FINISHED", "FAILED", "KILLED"), 20.0))
    monkeypatch.setattr(mlflow_run, "STATUS_SECONDS", dict.fromkeys(("FINISHED", "FAILED", "KILLED"), 20.0))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def run_at(tracker, folder):
    return MlflowRun(MlflowClient(tracking_uri=tracker.uri), tracker.run_id, tracker.uri, folder / "spill")


def longest(calls):
    seconds = []
    for call in calls:
        begin = time.monotonic()
        call()
        seconds.append(time.monotonic() - begin)
    return max(seconds)


def let_go_until(tracker, done):
    while not done.wait(0.1):
        tracker.let_go()


@pytest.mark.parametrize("mode", ["hangs", "gone"])
def test_a_step_waits_five_seconds_at_most_and_what_was_logged_arrives_in_order_when_the_server_is_back(
    tracker, tmp_path, mode
):
    run = run_at(tracker, tmp_path)
    run.log_metrics({"a": 0.0}, step=0)
    assert tracker.metrics() == [("a", 0.0, 0)], "while the server answers, a call returns when it has it"
    picture = tmp_path / "picture.txt"
    picture.write_text("as it was then")
    tracker.mode = mode

    def step(number):
        run.log_metrics({"a": float(number)}, step=number)
        run.set_tags({"seen": str(number)})
        run.log_artifact(picture)

    # The real patience: a step with all three kinds.
    assert longest(lambda n=n: step(n) for n in range(1, 4)) < 5
    picture.write_text("another since")
    tracker.mode = "well"
    tracker.let_go()
    run.finish()
    assert tracker.metrics() == [("a", float(n), n) for n in range(4)]
    tags = [
        body["tags"][0]["value"] for place, body in tracker.requests if place == "runs/log-batch" and "tags" in body
    ]
    assert tags == ["1", "2", "3"]
    assert (tmp_path / "artifacts/picture.txt").read_text() == "as it was then"
    assert tracker.statuses() == ["FINISHED"]
    assert not list((tmp_path / "spill").glob("*")), "copies of what has arrived are deleted"


def test_a_server_that_stays_away_ends_the_run_in_time_and_files_have_what_it_missed(
    tracker, tmp_path, hurried, monkeypatch
):
    monkeypatch.setattr(mlflow_run, "FLUSH_SECONDS", {"FINISHED": 0.5})
    monkeypatch.setattr(mlflow_run, "STATUS_SECONDS", {"FAILED": 0.5})
    run = run_at(tracker, tmp_path)
    picture = tmp_path / "picture.txt"
    picture.write_text("seen")
    tracker.mode = "hangs"
    run.log_metrics({"a": 1.0, "b": 2.0}, step=1)
    run.set_tags({"seen": "yes"})
    run.log_artifact(picture)
    begin = time.monotonic()
    with pytest.raises(TrackingError, match="could not be closed as FAILED"):
        run.finish()
    assert time.monotonic() - begin < 10
    spill = tmp_path / "spill"
    rows = [json.loads(line) for line in (spill / "undelivered_metrics.jsonl").read_text().splitlines()]
    assert [(row["key"], row["value"], row["step"]) for row in rows] == [("a", 1.0, 1), ("b", 2.0, 1)]
    assert json.loads((spill / "undelivered_tags.jsonl").read_text()) == {"key": "seen", "value": "yes"}
    assert [path.read_text() for path in (spill / "undelivered_artifacts").rglob("*.txt")] == ["seen"]


def test_what_a_server_refuses_holds_up_nothing_else(tracker, tmp_path, hurried):
    tracker.refuses = {"bad/name"}
    run = run_at(tracker, tmp_path)
    tracker.mode = "gone"
    for step, name in enumerate(["a", "bad/name", "b", "c"]):
        run.log_metrics({name: 1.0}, step=step)
    tracker.mode = "well"
    with pytest.raises(TrackingError, match="1 metrics could not be delivered and are in undelivered_metrics"):
        run.finish()
    assert [name for name, _, _ in tracker.metrics()] == ["a", "b", "c"]
    assert tracker.statuses() == ["FAILED"]
    assert json.loads((tmp_path / "spill/undelivered_metrics.jsonl").read_text())["key"] == "bad/name"


def test_sigterm_while_the_server_hangs_keeps_every_metric(tracker, tmp_path, hurried):
    run = run_at(tracker, tmp_path)

    def stop(number, frame):
        raise SystemExit(143)

    logged = []

    def train_until_stopped():
        with run:
            try:
                for step in range(100):
                    logged.append(step)
                    run.log_metrics({"a": float(step)}, step=step)
                    if step == 10:
                        signal.raise_signal(signal.SIGTERM)
            finally:
                tracker.mode = "well"
                threading.Thread(target=let_go_until, args=(tracker, done), daemon=True).start()

    before = signal.signal(signal.SIGTERM, stop)
    done = threading.Event()
    try:
        tracker.mode = "hangs"
        with pytest.raises(SystemExit):
            train_until_stopped()
    finally:
        done.set()
        signal.signal(signal.SIGTERM, before)
    assert len(logged) < 100
    arrived = tracker.metrics()
    # The step that the signal met may or may not have been logged.
    assert arrived in ([("a", float(n), n) for n in logged], [("a", float(n), n) for n in logged[:-1]])
    assert tracker.statuses() == ["KILLED"]


def test_infinite_metrics_are_left_out_and_said_once(tracker, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    with run_at(tracker, tmp_path) as run:
        for step in range(3):
            run.log_metrics({"a": float("inf"), "b": -float("inf"), "c": 1.0}, step=step)
    assert {name for name, _, _ in tracker.metrics()} == {"c"}
    assert sorted(r.getMessage().split(" is infinite")[0] for r in caplog.records) == ["the metric a", "the metric b"]


def test_a_file_that_is_not_there_is_said_at_once(tracker, tmp_path):
    with run_at(tracker, tmp_path) as run, pytest.raises(FileNotFoundError):
        run.log_artifact(tmp_path / "nothing.txt")


def test_closing_other_runs_at_a_server_that_hangs_takes_seconds(tracker, caplog, monkeypatch):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr("vlm_rewards.tracking.closing._SECONDS", 0.3)
    tracker.mode = "hangs"
    close_as_killed(tracker.uri, ["run"] * 10, "stopped")
    assert "were not closed" in caplog.text
