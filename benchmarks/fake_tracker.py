"""An MLflow tracking server of a hundred lines that can hang or be gone, as real ones do."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit


class FakeTracker:
    """Takes what a run logs, on loopback.

    Attributes:
        mode: `well` answers; `hangs` takes requests and says nothing; `gone` closes every connection.
        requests: The bodies that were answered, as (the end of the path, body).
        refuses: Metric names for which a batch is refused.
        uri: Its address.
        run_id: The id of its one run; of its own, since MLflow's client remembers where a run's files go.
    """

    def __init__(self, artifacts: Path) -> None:
        """Listen on a free port; `artifacts` is where files go."""
        self.mode: Literal["well", "hangs", "gone"] = "well"
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.refuses: set[str] = set()
        self._artifacts = artifacts
        self._released = threading.Event()
        tracker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}"))

            def _answer(self, body: dict[str, Any]) -> None:
                if tracker.mode == "hangs":
                    tracker._released.wait()
                    self.close_connection = True
                    return
                if tracker.mode == "gone":
                    self.close_connection = True
                    return
                place = urlsplit(self.path).path.partition("/mlflow/")[2]
                status, answer = tracker._answer(place, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        self.run_id = f"run{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def metrics(self) -> list[tuple[str, float, int]]:
        """Return what arrived, in order, as (name, value, step)."""
        batches = [body.get("metrics", []) for place, body in self.requests if place == "runs/log-batch"]
        return [(metric["key"], metric["value"], int(metric["step"])) for batch in batches for metric in batch]

    def statuses(self) -> list[str]:
        """Return the statuses that the run was given, in order."""
        return [body["status"] for place, body in self.requests if place == "runs/update" and "status" in body]

    def let_go(self) -> None:
        """End the requests that hang, without an answer."""
        self._released.set()
        self._released = threading.Event()

    def close(self) -> None:
        """End the server."""
        self.let_go()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, place: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.refuses & {metric["key"] for metric in body.get("metrics", [])}:
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "no such name here"}
        self.requests.append((place, body))
        info = {
            **dict.fromkeys(("run_id", "run_uuid"), self.run_id),
            "experiment_id": "1",
            "status": "RUNNING",
            "lifecycle_stage": "active",
            "start_time": 1,
            "artifact_uri": self._artifacts.as_uri(),
        }
        if place == "runs/get":
            return 200, {"run": {"info": info, "data": {}}}
        return 200, {"run_info": info} if place == "runs/update" else {}


@contextmanager
def fake_tracker(artifacts: Path) -> Iterator[FakeTracker]:
    """Run a tracker for the duration."""
    tracker = FakeTracker(artifacts)
    try:
        yield tracker
    finally:
        tracker.close()
