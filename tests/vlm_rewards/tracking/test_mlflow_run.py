"""MlflowRun against real sqlite stores."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from types import SimpleNamespace

import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from vlm_rewards.errors import TrackingError
from vlm_rewards.tracking import MlflowRun, abandoned_runs, mlflow_run
from vlm_rewards.tracking.store import default_uri


@pytest.fixture(scope="module")
def store(tmp_path_factory, with_store):
    """A sqlite store whose schema exists; its experiment, too, whose first start waits for the others."""
    folder = with_store(tmp_path_factory.mktemp("mlflow"))
    start(folder).finish()
    return folder


def start(folder, **options):
    return MlflowRun.start(
        **{
            "uri": default_uri(folder),
            "experiment": "test",
            "name": "run",
            "params": {"lr": 0.1},
            "tags": {"git_sha": "abc"},
            "spill_folder": folder / "spill",
        }
        | options
    )


def reader(folder):
    return MlflowClient(tracking_uri=default_uri(folder))


def log_until_something_gives(run):
    with run:
        for step in range(200):
            run.log_metrics({f"metric_{i}": float(i) for i in range(200)}, step=step)


def test_mlflows_page_opens_on_runs_and_says_what_their_metrics_are(store):
    tags = reader(store).get_experiment_by_name("test").tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert "ground truth" in tags["mlflow.note.content"]
    # The note stands above whatever MLflow opens, and leads to the runs, with the columns that the tag names.
    number = reader(store).get_experiment_by_name("test").experiment_id
    path = f"#/experiments/{number}/runs?workflowType=machine_learning&viewStateShareKey=vlm_rewards"
    assert tags["mlflow.note.content"].startswith(f"[**Open the runs**]({path})")
    assert (
        "metrics.`evaluation/success_rate`" in json.loads(tags["mlflow.sharedViewState.vlm_rewards"])["selectedColumns"]
    )


def test_a_run_says_what_it_is_above_its_metrics(store):
    with start(store, note="Judged once more.") as run:
        pass
    assert reader(store).get_run(run.run_id).data.tags["mlflow.note.content"] == "Judged once more."
    start(store, resume_run_id=run.run_id, note="another").finish()
    assert reader(store).get_run(run.run_id).data.tags["mlflow.note.content"] == "Judged once more."


def test_params_metrics_tags_and_artifacts_arrive(store, tmp_path):
    picture = tmp_path / "picture.txt"
    picture.write_text("seen")
    with start(store, params={f"p{i}": i for i in range(250)}) as run:
        run.log_metrics({"a": 1.5, "undefined": float("nan")}, step=10)
        run.log_metrics({"a": 2.5}, step=20)
        run.log_artifact(picture, "pictures")
    found = reader(store).get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert len(found.data.params) == 250
    assert found.data.tags["git_sha"] == "abc"
    assert [(m.step, m.value) for m in reader(store).get_metric_history(run.run_id, "a")] == [(10, 1.5), (20, 2.5)]
    assert "undefined" not in found.data.metrics
    assert [f.path for f in reader(store).list_artifacts(run.run_id, "pictures")] == ["pictures/picture.txt"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("bad news"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(1), "KILLED")],
)
def test_an_error_closes_the_run_and_says_why(store, error, status):
    run = start(store)
    with pytest.raises(type(error)), run:
        raise error
    found = reader(store).get_run(run.run_id)
    assert found.info.status == status
    assert type(error).__name__ in found.data.tags["end_reason"]


def test_the_cost_of_tracking_is_the_time_inside_its_requests_and_its_share_of_the_run(store, monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(mlflow_run, "time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))
    run = start(store, params={})
    deliver = run._client.log_batch

    took = iter((1, 3, 2, 0))

    def takes_seconds(*arguments, **options):
        clock.now += next(took)
        deliver(*arguments, **options)

    monkeypatch.setattr(run._client, "log_batch", takes_seconds)
    for step in (1, 2, 3):
        clock.now += 8
        run.log_metrics({"a": 1.0}, step=step)
    run.log_cost()
    run.finish()
    found = reader(store).get_run(run.run_id).data.metrics
    assert found["tracking/seconds"] == pytest.approx(6)
    assert found["tracking/longest_seconds"] == pytest.approx(3)
    assert found["tracking/share"] == pytest.approx(6 / 30)


def test_a_resumed_run_continues_with_strictly_rising_steps(store):
    first = start(store)
    first.log_metrics({"a": 1.0}, step=10)
    first.log_metrics({"a": 2.0}, step=20)
    # The checkpoint was at step 10: step 20 is trained, and logged, a second time.
    with start(store, resume_run_id=first.run_id) as second:
        second.log_metrics({"a": 9.0}, step=20)
        second.log_metrics({"a": 3.0}, step=30)
    assert second.run_id == first.run_id
    steps = [m.step for m in reader(store).get_metric_history(first.run_id, "a")]
    assert steps == [10, 20, 30]
    assert reader(store).get_run(first.run_id).info.status == "FINISHED"


def test_a_resumed_run_forgets_how_it_ended_before(store):
    first = start(store)
    first.finish("KILLED", "somebody stopped it")
    assert reader(store).get_run(first.run_id).data.tags["end_reason"] == "somebody stopped it"
    with start(store, resume_run_id=first.run_id):
        pass
    resumed = reader(store).get_run(first.run_id)
    assert resumed.info.status == "FINISHED"
    assert "end_reason" not in resumed.data.tags


def test_a_run_whose_process_was_killed_is_closed_by_the_next_start(store):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from vlm_rewards.tracking import MlflowRun\n"
        "run = MlflowRun.start(uri=sys.argv[1], experiment='test', name='victim', params={}, tags={}, "
        "spill_folder=Path(sys.argv[2]))\n"
        "print(run.run_id, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, default_uri(store), str(store)], capture_output=True, text=True, env=os.environ
    )
    victim = done.stdout.strip()
    assert reader(store).get_run(victim).info.status == "RUNNING"
    alive = start(store)
    start(store).finish()
    assert reader(store).get_run(victim).info.status == "KILLED"
    assert reader(store).get_run(alive.run_id).info.status == "RUNNING", "a living process's run was closed"
    alive.finish()


def test_a_run_that_ends_while_the_dead_ones_are_looked_for_keeps_its_own_status(store, monkeypatch):
    finishing = start(store)

    def ends_now(pid, started):
        finishing.finish()
        return False

    monkeypatch.setattr(abandoned_runs, "process_is_alive", ends_now)
    start(store).finish()
    assert reader(store).get_run(finishing.run_id).info.status == "FINISHED"


SEVERAL = """
import os, signal, sys, traceback
from pathlib import Path
from vlm_rewards.tracking import MlflowRun, abandoned_runs

def start():
    return MlflowRun.start(
        uri=sys.argv[1], experiment="several", name="run", params={"lr": 0.1}, tags={}, spill_folder=Path(sys.argv[2])
    )

def killed():
    start()
    os.kill(os.getpid(), signal.SIGKILL)

def finished():
    with start() as run:
        run.log_metrics({"a": 1.0}, step=1)

def at_once(work, count=4):
    children = []
    for _ in range(count):
        child = os.fork()
        if not child:
            try:
                work()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

print(at_once(killed), at_once(finished), flush=True)
"""


def test_four_processes_at_once_on_a_fresh_store_and_on_one_with_runs_to_close(tmp_path):
    folder = tmp_path / "fresh"
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, default_uri(folder), str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout == "[-9, -9, -9, -9] [0, 0, 0, 0]\n", done.stderr
    client = reader(folder)
    runs = client.search_runs([client.get_experiment_by_name("several").experiment_id])
    assert sorted(run.info.status for run in runs) == ["FINISHED"] * 4 + ["KILLED"] * 4
    reasons = [run.data.tags.get("end_reason") for run in runs if run.info.status == "KILLED"]
    assert reasons == ["its process ended without closing the run"] * 4


def test_a_full_disk_is_one_clear_error_and_leaves_no_running_run(tmp_path, with_store):
    start(with_store(tmp_path)).finish()
    database = tmp_path / "mlflow.db"
    reserve = tmp_path / "mlflow.reserve"
    run = start(tmp_path)
    assert reserve.stat().st_blocks * 512 >= 2 * 1024 * 1024, "the reserve is sparse and holds nothing back"
    pages = database.stat().st_size // 4096

    @event.listens_for(Engine, "begin")
    def limit(connection):
        # Sqlite's own SQLITE_FULL, as long as the reserve is not given back.
        room = pages + (1 if reserve.exists() else 1_000_000)
        connection.exec_driver_sql(f"PRAGMA max_page_count = {room}")

    try:
        with pytest.raises(TrackingError, match="is full: free some space"):
            log_until_something_gives(run)
    finally:
        event.remove(Engine, "begin", limit)
    found = reader(tmp_path).get_run(run.run_id)
    assert found.info.status == "FAILED"
    assert "full" in found.data.tags["end_reason"]


def test_metrics_are_kept_while_the_store_is_away(store, monkeypatch):
    run = start(store)
    real = run._client.log_batch

    def away(*_, **__):
        raise OSError("connection refused")

    monkeypatch.setattr(run._client, "log_batch", away)
    run.log_metrics({"a": 1.0}, step=1)
    run.log_metrics({"a": 2.0}, step=2)
    monkeypatch.setattr(run._client, "log_batch", real)
    run.log_metrics({"a": 3.0}, step=3)
    run.finish()  # which waits for what is on its way
    assert [m.value for m in reader(store).get_metric_history(run.run_id, "a")] == [1.0, 2.0, 3.0]


def test_metrics_that_never_arrive_are_spilled_and_the_run_says_so(store, monkeypatch, tmp_path):
    monkeypatch.setitem(mlflow_run.FLUSH_SECONDS, "FINISHED", 0.2)
    run = start(store, spill_folder=tmp_path)

    def away(*_, **__):
        raise OSError("connection refused")

    monkeypatch.setattr(run._client, "log_batch", away)
    run.log_metrics({"a": 1.0}, step=1)
    with pytest.raises(TrackingError, match="could not be delivered"):
        run.finish()
    rows = [json.loads(line) for line in (tmp_path / "undelivered_metrics.jsonl").read_text().splitlines()]
    assert [(row["key"], row["value"], row["step"]) for row in rows] == [("a", 1.0, 1)]
    assert reader(store).get_run(run.run_id).info.status == "FAILED"


@pytest.fixture
def server(store):
    """A real MLflow server over the store, which can be killed and started again at its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        # The system's own choice may lie among ports that others use.
        port = 20_000 + probe.getsockname()[1] % 10_000
    running = MlflowServer(store, port)
    running.start()
    yield running
    running.kill()


class MlflowServer:
    """`mlflow server` as a process group of its own."""

    def __init__(self, folder, port):
        self.uri = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        self._command += ["--backend-store-uri", default_uri(folder), "--workers", "1"]
        self._command += ["--artifacts-destination", str(folder / "served")]
        self._log = folder / "server.log"
        self._process = None

    def start(self):
        with self._log.open("a") as log:
            # Without the processes for its own jobs, which would take longer to start than the server.
            environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, start_new_session=True, env=environment
            )
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            assert time.monotonic() < deadline, "the MLflow server does not start"
            time.sleep(0.2)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self):
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.budget(150)  # two starts of a real server, and its client's own retries
def test_a_killed_server_gets_every_metric_once_it_is_back_and_a_file_has_them_where_it_stays_away(
    server, store, tmp_path, monkeypatch
):
    monkeypatch.setitem(mlflow_run.FLUSH_SECONDS, "FINISHED", 3.0)
    run = start(tmp_path, uri=server.uri)
    run.log_metrics({"a": 1.0}, step=1)
    server.kill()
    begin = time.monotonic()
    run.log_metrics({"a": 2.0}, step=2)
    run.log_metrics({"a": 3.0}, step=3)
    # Both steps together wait for a server that is gone for seconds, not for MLflow's own minutes.
    assert time.monotonic() - begin < 5
    server.start()
    run.log_metrics({"a": 4.0}, step=4)
    deadline = time.monotonic() + 60
    history = []
    while len(history) < 4 and time.monotonic() < deadline:
        history = reader(store).get_metric_history(run.run_id, "a")
        time.sleep(0.1)
    assert [(m.step, m.value) for m in history] == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]

    server.kill()
    run.log_metrics({"a": 5.0}, step=5)
    with pytest.raises(TrackingError, match="could not be closed as FAILED"):
        run.finish()
    rows = [json.loads(line) for line in (tmp_path / "spill/undelivered_metrics.jsonl").read_text().splitlines()]
    assert [(row["key"], row["value"], row["step"]) for row in rows] == [("a", 5.0, 5)]


def test_a_server_that_is_down_is_one_clear_error(tmp_path):
    with pytest.raises(TrackingError, match="check the URI and that the server runs"):
        start(tmp_path, uri="http://127.0.0.1:9")


def test_an_unknown_store_is_one_clear_error(tmp_path):
    with pytest.raises(TrackingError, match="cannot be opened"):
        start(tmp_path, uri="nonsense://somewhere")
