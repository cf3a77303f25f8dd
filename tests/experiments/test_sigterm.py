"""SIGTERM to a command that is really at work: it ends, says how to go on, and leaves no run open."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.shared.job_storage import OUTPUT_VARIABLE
from tests.experiments.processes import wait_for
from tests.experiments.test_commands import runs_of
from tests.preloaded_workers.program import running
from vlm_rewards.credentials import URI_VARIABLE

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def real(log: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen]:
    """A command as a person starts it, killed at the end of the block."""
    environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=os.environ | environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.kill()


def running_in(store: Path) -> list:
    """The runs that are RUNNING; asked only of a store that is whole, since a question migrates a new one."""
    return [run for run in runs_of(store) if run.info.status == "RUNNING"] if store.is_file() else []


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "arguments", "started"),
    [
        pytest.param(
            "train",
            ["--preset", "smoke", "--set", "reward={kind: ground_truth}", "--steps", "1000000"],
            "as a fork",
            marks=pytest.mark.ray,
        ),
        ("pretrain_clip", ["--preset", "shapes", "--set", "training.steps=100000"], "really"),
        pytest.param(
            "prompts",
            ["--smoke", "--set", "arms={T: {settings: {reward: {kind: ground_truth}}}}", "--steps", "1000000"],
            "as a fork",
            marks=pytest.mark.ray,
        ),
    ],
)
def test_sigterm_leaves_no_run_open(name, arguments, started, store, tmp_path, request):
    before = {run.info.run_id for run in runs_of(store)}
    log, output = tmp_path / "log", str(tmp_path / "results")
    command = ["-m", f"experiments.{name}", *arguments, "--output", output]
    environment = {URI_VARIABLE: f"sqlite:///{store}", OUTPUT_VARIABLE: str(tmp_path)}
    forks = request.getfixturevalue("forks") if started == "as a fork" else None
    with running(forks, log, *command, **environment) if forks else real(log, *command, **environment) as process:
        wait_for(lambda: running_in(store) or process.poll() is not None, 200)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
    text = log.read_text()
    assert code == 143, text
    assert "stopped by SIGTERM; " in text
    assert "Traceback" not in text
    assert time.monotonic() - begin < 30
    found = [run for run in runs_of(store) if run.info.run_id not in before]
    assert found
    assert {run.info.status for run in found} == {"KILLED"}
    assert all("SIGTERM" in run.data.tags["end_reason"] for run in found), [run.data.tags for run in found]
