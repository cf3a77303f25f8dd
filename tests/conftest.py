"""Fixtures shared by all tests."""

import fcntl
import gc
import logging
import os
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Before ray is imported anywhere: no usage pings, no log prefixes that bury a failing test.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DEDUP_LOGS", "0")
# Ray's workers would run at the lowest priority, and wait for whatever else computes: the other process of this run.
os.environ.setdefault("RAY_worker_niceness", "0")
# A busy machine needs longer than Serve's 5 s for a proxy; and what autoscaling waits for should come soon.
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")
os.environ.setdefault("RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S", "60")
os.environ.setdefault("RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S", "0.5")
os.environ.setdefault("RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S", "0.5")
# Serve's controller looks after each application ten times a second otherwise: a twentieth of the tests' time.
os.environ.setdefault("RAY_SERVE_CONTROL_LOOP_INTERVAL_S", "0.25")
os.environ.setdefault("MUJOCO_GL", "egl")
# Without this a model id that does not exist costs half a minute of the hub client's own retries.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest

from tests.shorter_ray import shorten

# What is imported stays: to look for garbage among it took two fifths of the time until the first test.
gc.disable()

pytest_plugins = ["pytester", "tests.scheduling", "tests.time_budget"]


def pytest_collection_finish() -> None:
    """Collect garbage from now on, among what comes from now on, and less often than after 700 objects."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()
    if {"ray.rllib", "ray.serve"} <= sys.modules.keys():
        shorten()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run that all of its processes share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def compiled_models(shared_folder: Path) -> Path:
    """The cache of compiled models: of this test run's processes, Ray's workers among them, and of no earlier run."""
    folder = shared_folder / "compiled-models"
    os.environ["VLM_REWARDS_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def empty_store(shared_folder: Path) -> Path:
    """A sqlite file with MLflow's schema and nothing else: making it takes seconds, copying it none. Read only."""
    from vlm_rewards.tracking.store import default_uri, open_experiment

    folder = shared_folder / "empty-store"
    with one_at_a_time(folder):
        if not (folder / "mlflow.db").exists():
            # Another process must find all of it or nothing.
            open_experiment(default_uri(folder / "unfinished"), "Default")
            (folder / "unfinished" / "mlflow.db").rename(folder / "mlflow.db")
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def with_store(empty_store: Path) -> Callable[[Path], Path]:
    """Puts an empty MLflow store where a command with this output folder will look for it; returns the folder."""

    def put(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(empty_store, folder / "mlflow.db")
        return folder

    return put


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keeps the other processes of this test run out while one makes what all share in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def forks(compiled_models: Path) -> Iterator[Path]:
    """The folder of this process's fork server: see `tests.preloaded_workers`."""
    from experiments.shared.ray_session import WORKER_ENVIRONMENT
    from tests.preloaded_workers.fork_server import fork_server

    with tempfile.TemporaryDirectory(prefix="forks-") as folder, fork_server(Path(folder), WORKER_ENVIRONMENT):
        yield Path(folder)


@pytest.fixture(scope="session")
def ray_session(shared_folder: Path, forks: Path):
    """The one local Ray session of this test run, with Serve; starting it takes seconds.

    Its workers are forks of a process that has their imports. Commands that tests run in this process use it, too.
    Its six CPUs are a count: Ray asks no processor.
    """
    import ray
    from ray import serve

    from experiments.shared.ray_session import WORKER_ENVIRONMENT
    from tests.preloaded_workers.fork_server import workers_of

    process = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    owners = shared_folder / "ray" / "owners"
    with one_at_a_time(shared_folder / "ray"):
        owners.mkdir(exist_ok=True)
        (owners / process).touch()
        if len(others := sorted(owner.name for owner in owners.iterdir())) > 1:
            pytest.fail(f"Of {others} one alone can have tests of Ray: mark this one with @pytest.mark.ray", False)
    # A raylet gives up on its agents after 15 s, which may be too few for a busy machine.
    for attempt in range(3):
        try:
            with workers_of(forks):
                ray.init(
                    address="local",
                    num_cpus=6,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.WARNING,
                    runtime_env={"env_vars": WORKER_ENVIRONMENT},
                )
            break
        except Exception:
            ray.shutdown()
            if attempt == 2:
                raise
    # Serve gets its HTTP proxy when it starts or never; which test is the first to need it is not known.
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": free_port()})
    yield ray
    serve.shutdown()
    ray.shutdown()


def free_port():
    """A port on which nothing listens: neither one of those that Ray gives its workers, nor one for connections."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
