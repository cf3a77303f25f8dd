"""A study as a job: a plain Ray head, to which nothing of ours is installed, and what `experiments.submit` uploads."""

import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from mlflow.tracking import MlflowClient

from envs.registry import make_env
from experiments.shared.preset_files import load_preset
from experiments.training.config import TrainConfig
from tests.preloaded_workers.fork_server import SETUP_WORKER, fork_server
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.tracking.store import default_uri

# A head and a job start a dozen processes: long only where other work has the machine.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600), pytest.mark.budget(240)]

ROOT = Path(__file__).resolve().parents[2]
CLIENT = Path(__file__).with_name("job_client.py")
PORTS = (
    "port",
    "dashboard-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "node-manager-port",
    "object-manager-port",
    "metrics-export-port",
    "ray-client-server-port",
)
SMALL = (
    "--set", "arms={pocket-android: {}}",
    "--set", "settings.total_env_steps=512",
    "--set", "settings.algorithm.train_batch_size=512",
    "--set", "settings.evaluation={episodes: 10, videos: 0}",
)  # fmt: skip


@dataclass(frozen=True)
class Head:
    """A Ray cluster of one node.

    Attributes:
        folder: For its files and those of its jobs.
        environment: In which its processes and its clients run.
        jobs: Address of its job server.
        address: Address that clients join it at.
    """

    folder: Path
    environment: dict[str, str]
    jobs: str
    address: str


def ports():
    """Different ports on which nothing listens, outside those that Ray gives its workers."""
    found = set()
    while len(found) < len(PORTS):
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.add(port)
    return dict(zip(PORTS, found, strict=True))


def bare_python(folder):
    """A Python with the libraries that a cluster's image has, and without this checkout."""
    venv.create(folder, symlinks=True, with_pip=False)
    packages = sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder})
    # Not the files *.pth that lie there: one of them names the checkout.
    Path(packages, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


# `ray start`, whose workers come from a fork server.
RAY = """
import sys
from ray._private import ray_constants
from ray.scripts.scripts import main
ray_constants.SETUP_WORKER_FILENAME = sys.argv.pop(1)
main()
"""


def start_head(folder, environment):
    numbers = ports()
    options = [
        "--num-cpus=3",
        "--object-store-memory=100000000",
        "--dashboard-host=127.0.0.1",
        "--disable-usage-stats",
        # A job's own output does not come that way.
        "--include-log-monitor=false",
        f"--temp-dir={folder / 'ray'}",
        # Zero lets each worker take a free one: the range that Ray would choose from may be in use.
        "--min-worker-port=0",
        "--max-worker-port=0",
        *(f"--{name}={port}" for name, port in numbers.items()),
    ]
    python = str(folder / "python" / "bin" / "python")
    with (folder / "head.log").open("w") as log:
        process = subprocess.Popen(
            [python, "-c", RAY, str(folder / SETUP_WORKER), "start", "--head", "--block", *options],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    while "block forever" not in (folder / "head.log").read_text():
        if process.poll() is not None:
            return None
        time.sleep(0.2)
    return Head(folder, environment, f"http://127.0.0.1:{numbers['dashboard-port']}", f"127.0.0.1:{numbers['port']}")


def run(head, log, *arguments, **environment):
    """Start a program of this checkout's Python; the head's fixture ends it, if it does not end."""
    with (head.folder / log).open("w") as file:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=head.environment | environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def end_processes(environment):
    """End the head and all that came of it: processes with its token file in their environment, and their children.

    Ray's agent writes its title over its environment. Left behind it would look for its head with all of a processor.
    """
    token = environment["RAY_AUTH_TOKEN_PATH"]
    # Again until there are none: what is ended first may have started more.
    while owned := [process for process in psutil.process_iter() if token == token_of(process)]:
        for process in {each for parent in owned for each in (parent, *children_of(parent))}:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(owned, timeout=10)


def children_of(process):
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def token_of(process):
    try:
        return process.environ().get("RAY_AUTH_TOKEN_PATH")
    except psutil.Error:  # it ended while we looked, or has ended and nobody asked how
        return None


@pytest.fixture(scope="module")
def head():
    """A head of its own: other Ray sessions may be on this machine, this test run's among them.

    Its workers are forks of a process that has imported libraries alone: our own modules are those of the job.
    """
    # Short: the paths of Ray's sockets may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="head-"))
    token = folder / "token"
    token.write_text(secrets.token_hex(16))
    programs = bare_python(folder / "python")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHONPATH"))}
    environment = clean | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
    }
    python, env_vars = str(programs / "python"), yaml.safe_load((ROOT / "runtime_env.yaml").read_text())["env_vars"]
    try:
        with fork_server(folder, env_vars, environment, python):
            # A raylet gives up on its agents after 15 s, which may be too few for a busy machine.
            started = next((found for _ in range(5) if (found := start_head(folder, environment))), None)
            assert started, (folder / "head.log").read_text()
            yield started
    finally:
        end_processes(environment)
        shutil.rmtree(folder, ignore_errors=True)


FRAMES = 8


def frames_of(env):
    """Frames of a random walk, uint8 (N, H, W, 3)."""
    env.reset(seed=0)
    env.action_space.seed(0)
    frames = []
    for _ in range(FRAMES):
        env.step(env.action_space.sample())
        frames.append(env.unwrapped.reward_frame())
    return np.stack(frames)


def parent_of(output):
    """The study's own run; None before there is one."""
    # Two that open a new sqlite store at once break the migration of its schema; the study has begun by then.
    if not list(output.glob("*/study.json")):
        return None
    client = MlflowClient(tracking_uri=default_uri(output))
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    return next((run for run in runs if "mlflow.parentRunId" not in run.data.tags), None)


@pytest.fixture(scope="module")
def study(head):
    """What a study printed as a job, and what another program and this one got of its reward meanwhile."""
    config = TrainConfig(**load_preset("train", "smoke"))
    env = make_env(config.environment.id, **config.environment.options)
    frames, task_set = frames_of(env), env.unwrapped.task_set
    goals = [task_set.goals[i % len(task_set.goals)].id for i in range(FRAMES)]
    model = RewardModel(config.reward, task_set)
    seen = {"in_process": model.score(frames, goals).tolist(), "own_fingerprint": model.describe().fingerprint}

    np.save(head.folder / "frames.npy", frames)
    output = head.folder / "results"
    ours = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}
    client = run(head, "client.log", str(CLIENT), str(head.folder), **ours, RAY_ADDRESS=head.address)
    command = ["python", "-m", "experiments.model_size", "--preset", "smoke", "--output", str(output), *SMALL]
    job = run(head, "job.log", "-m", "experiments.submit", "--address", head.jobs, "--", *command, **ours)
    asks = head.folder / "asks.json"
    while job.poll() is None:
        assert client.poll() in (None, 0), (head.folder / "client.log").read_text()
        if not asks.exists() and (parent := parent_of(output)) is not None and "study.reward_apps" in parent.data.tags:
            (app,) = json.loads(parent.data.tags["study.reward_apps"])
            (head.folder / "asks.new").write_text(json.dumps({"app": app, "goals": goals}))
            (head.folder / "asks.new").rename(asks)
        if "status" not in seen and client.poll() == 0:
            seen["status"] = parent_of(output).info.status
        time.sleep(0.5)
    text = (head.folder / "job.log").read_text()
    assert job.returncode == 0, text
    assert client.wait(timeout=20) == 0, (head.folder / "client.log").read_text()
    return output, text, seen | json.loads((head.folder / "client.log").read_text().splitlines()[-1])


def test_a_job_leaves_a_finished_study_in_mlflow(study):
    output, text, _ = study
    client = MlflowClient(tracking_uri=default_uri(output))
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run not in parents]
    assert [run.info.status for run in parents] == ["FINISHED"]
    assert [run.info.status for run in children] == ["FINISHED"]
    assert children[0].data.tags["study.reward_app"] in json.loads(parents[0].data.tags["study.reward_apps"])
    assert children[0].data.metrics["train/env_steps_lifetime"] >= 512
    assert parents[0].info.run_id in text


def test_another_program_gets_rewards_of_the_running_study_as_it_would_in_its_own_process(study):
    *_, seen = study
    assert seen["status"] == "RUNNING"
    assert len(seen["served"]) == 8
    assert len(set(seen["served"])) > 1
    assert seen["served"] == pytest.approx(seen["in_process"], abs=1e-6)
    assert seen["fingerprint"] == seen["own_fingerprint"]


def test_a_job_runs_on_what_was_uploaded_alone(head, study):
    *_, seen = study
    assert "working_dir_files" in seen["replica_folder"]
    found = subprocess.run(
        [str(head.folder / "python" / "bin" / "python"), "-c", "import ray, vlm_rewards"],
        cwd=head.folder,
        env=head.environment,
        capture_output=True,
        text=True,
    )
    assert "No module named 'vlm_rewards'" in found.stderr


def test_a_cluster_with_too_few_cpus_is_told_before_anything_starts(study):
    *_, seen = study
    assert seen["too_few"].startswith("the experiment needs 64 CPUs and the Ray cluster has 3 in all")
