"""Which store is taken, what is refused at once, and that no password is written."""

import http.server
import socket
import threading

import pytest
from typer.testing import CliRunner

from experiments import train
from experiments.shared.tracking_store import check_store, choose_store
from vlm_rewards.credentials import URI_VARIABLE, with_password
from vlm_rewards.errors import ConfigError, TrackingError


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    # Set and then deleted, so that what a test makes of it goes with the test.
    monkeypatch.setenv(URI_VARIABLE, "")
    monkeypatch.delenv(URI_VARIABLE)


@pytest.fixture
def server():
    """Starts a server that answers every question with one status, and returns its address."""
    started = []

    def start(status: int) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append((self.path, self.headers.get("Authorization")))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        started.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return f"127.0.0.1:{started[-1].server_address[1]}"

    asked = []
    start.asked = asked
    yield start
    for one in started:
        one.shutdown()
        one.server_close()


def test_the_option_comes_before_the_preset_the_environment_and_the_folder(monkeypatch, tmp_path):
    assert choose_store(None, None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv(URI_VARIABLE, "http://environment:1")
    assert choose_store(None, None, tmp_path) == "http://environment:1"
    assert choose_store(None, "http://preset:1", tmp_path) == "http://preset:1"
    assert choose_store("http://option:1", "http://preset:1", tmp_path) == "http://option:1"


def test_a_relative_sqlite_file_is_the_same_in_every_process(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert choose_store("sqlite:///runs/mlflow.db", None, tmp_path) == f"sqlite:///{tmp_path}/runs/mlflow.db"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("./mlruns", "MLflow keeps no runs at"),
        ("file:///tmp/mlruns", "MLflow keeps no runs at"),
        ("s3://bucket/mlflow", "MLflow keeps no runs at"),
        ("sqlite://", "cannot read the MLflow address"),
        ("sqlite:runs.db", "cannot read the MLflow address"),
        ("sqlite:////tmp/a?b/mlflow.db", "in its name"),
        ("http://", "names no host"),
        ("postgresql:///runs", "names no host"),
        ("http://[::1", "cannot read the MLflow address"),
        ("http://127.0.0.1:port", "cannot read the MLflow address"),
        ("http://127.0.0.1:99999", "cannot read the MLflow address"),
    ],
)
def test_what_is_no_store_is_refused(uri, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        choose_store(uri, None, tmp_path)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mysql+nodriver://me@127.0.0.1/runs", "cannot read the MLflow address"),
        ("mssql+pymssql://me@127.0.0.1/runs", "is not installed"),
        ("sqlite:///{folder}", "is a folder"),
        ("sqlite:///{file}", "is no sqlite file"),
        ("sqlite:///{file}/mlflow.db", "is a file; name a folder"),
    ],
)
def test_a_store_that_cannot_be_used_is_told_at_once(uri, message, tmp_path):
    (tmp_path / "notes.txt").write_text("mine, and not a database")
    with pytest.raises(ConfigError, match=message):
        check_store(uri.format(folder=tmp_path, file=tmp_path / "notes.txt"))
    assert (tmp_path / "notes.txt").read_text() == "mine, and not a database"


def test_a_server_that_answers_is_taken_with_its_password(server, tmp_path):
    uri = choose_store(f"http://me:secret@{server(200)}", None, tmp_path)
    assert "secret" not in uri
    check_store(uri)
    ((path, authorization),) = server.asked
    assert path.startswith("/api/2.0/mlflow/experiments/search")
    assert authorization.startswith("Basic ")


@pytest.mark.parametrize(
    ("status", "message"), [(404, "no MLflow server"), (403, "refuses this client"), (401, "refuses this client")]
)
def test_a_server_that_is_another_or_refuses_is_told(status, message, server):
    with pytest.raises(TrackingError, match=message):
        check_store(f"http://{server(status)}")


def test_a_port_where_nothing_listens_is_told():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TrackingError, match=f"127.0.0.1:{port}: .*refused"):
        check_store(f"http://127.0.0.1:{port}")


def test_a_password_is_in_no_settings_and_no_words(monkeypatch, tmp_path):
    monkeypatch.setitem(train.command.__dict__, "work", lambda invocation: seen.append(invocation))
    monkeypatch.setattr("experiments.shared.command.check_store", lambda uri: None)
    seen: list = []
    store = ["--preset", "smoke", "--output", str(tmp_path), "--mlflow-uri", "postgresql://me:hunter2@db.invalid/runs"]
    shown = CliRunner().invoke(train.app, [*store, "--dry-run"])
    assert "postgresql://me@db.invalid/runs" in shown.output
    assert CliRunner().invoke(train.app, store).exit_code == 0
    assert "hunter2" not in shown.output + repr(seen[0].config) + seen[0].mlflow_uri
    assert with_password(seen[0].mlflow_uri) == "postgresql://me:hunter2@db.invalid/runs"
