"""SIGTERM to a command that is really at work: it ends, says how to go on, and leaves no run open."""

import signal
import time
from pathlib import Path

import pytest

from experiments.shared.job_storage import OUTPUT_VARIABLE
from tests.experiments.processes import wait_for
from tests.experiments.test_commands import runs_of
from tests.preloaded_workers.program import running
from vlm_rewards.credentials import URI_VARIABLE


def running_in(store: Path) -> list:
    """The runs that are RUNNING; asked only of a store that is whole, since a question migrates a new one."""
    return [run for run in runs_of(store) if run.info.status == "RUNNING"] if store.is_file() else []


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("train", ["--preset", "smoke", "--set", "reward={kind: ground_truth}", "--steps", "1000000"]),
        ("pretrain_clip", ["--preset", "shapes", "--set", "training.steps=100000"]),
        ("prompts", ["--smoke", "--set", "arms={T: {settings: {reward: {kind: ground_truth}}}}", "--steps", "1000000"]),
    ],
)
def test_sigterm_leaves_no_run_open(name, arguments, store, forks, tmp_path):
    before = {run.info.run_id for run in runs_of(store)}
    log, output = tmp_path / "log", str(tmp_path / "results")
    command = ["-m", f"experiments.{name}", *arguments, "--output", output]
    environment = {URI_VARIABLE: f"sqlite:///{store}", OUTPUT_VARIABLE: str(tmp_path)}
    with running(forks, log, *command, **environment) as process:
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
