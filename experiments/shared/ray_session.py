"""Ray for an experiment: started here on a laptop, the running cluster under `ray job submit`, or what runs already."""

import logging
import math
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Before ray is imported: no usage pings, and no table of RLlib's own beside our progress bar.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray
from ray.exceptions import AuthenticationError

from vlm_rewards.errors import ConfigError, VLMRewardsError

# Linux's limit, without the zero at the end, and Ray's longest path of a socket.
_SOCKET_PATH = 107
_LONGEST_BELOW = "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
_CONNECT_SECONDS = 10.0
WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore::DeprecationWarning"}


def quiet_ray() -> None:
    """Keep RLlib's deprecations of its own internals and Serve's replicas out of what a person watches a run for."""
    for name in ("ray", "ray.rllib", "ray.serve", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def ray_session(num_cpus: float, wanted_cpus: float | None = None, num_gpus: float = 0) -> Iterator[None]:
    """Connect to the cluster named by RAY_ADDRESS (set under `ray job submit`), or start one here for the duration.

    A program that has connected to Ray itself, a notebook say, stays connected, and its cluster is used.

    Args:
        num_cpus: CPUs that the experiment will ask Ray for. A cluster must have them; a session started here is told
            that it has at least these, so that a laptop with fewer cores runs slowly instead of never.
        wanted_cpus: CPUs with which all that may run at once does; a session started here is told these.
        num_gpus: GPUs that the experiment will ask Ray for; there must be as many.

    Raises:
        ConfigError: The cluster cannot be reached, or has fewer CPUs or GPUs in all than the experiment needs.
        VLMRewardsError: Ray does not start here.
    """
    quiet_ray()
    if ray.is_initialized():
        _check_cpus(num_cpus)
        _check_gpus(num_gpus)
        yield
        return
    # Ray puts a handler in the place, which would end the process with status 15 and no word.
    on_sigterm = signal.getsignal(signal.SIGTERM)
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _connect(address)
    else:
        _check_temporary_folder()
        _start(max(os.cpu_count() or 1, math.ceil(wanted_cpus or num_cpus)))
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)
    try:
        # Told as many as are needed where it was started here.
        _check_cpus(num_cpus)
        _check_gpus(num_gpus)
        yield
    finally:
        # A session of our own takes its Serve applications down with it; on a cluster they are others' too.
        ray.shutdown()


def _start(num_cpus: int) -> None:
    try:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": WORKER_ENVIRONMENT},
        )
    except Exception as error:  # Ray (2.60) raises no narrower one where its own processes are not up in half a minute
        raise VLMRewardsError(
            f"Ray did not start on this machine ({' '.join(str(error).split())[:200]}): end what else needs its "
            "processors, memory or disk, and start again; its logs are in session_latest/logs below "
            f"{Path(os.environ.get('RAY_TMPDIR') or tempfile.gettempdir()) / 'ray'}"
        ) from error


def _check_cpus(num_cpus: float) -> None:
    available = ray.cluster_resources().get("CPU", 0)
    if available < num_cpus:
        raise ConfigError(
            f"the experiment needs {num_cpus:g} CPUs and the Ray cluster has {available:g} in all: "
            "add nodes, or lower sampling.num_env_runners or served_by.num_cpus"
        )


def _check_gpus(num_gpus: float) -> None:
    available = ray.cluster_resources().get("GPU", 0)
    if available < num_gpus:
        raise ConfigError(
            f"the experiment needs {num_gpus:g} GPUs and Ray finds {available:g} in all: add nodes that have some, or "
            "lower sampling.num_gpus_per_learner or served_by.num_gpus"
        )


def _check_temporary_folder() -> None:
    """Refuse a folder for temporary files in which Ray's sockets would have longer paths than the system takes."""
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray"
    if len(os.fsencode(f"{folder}/{_LONGEST_BELOW}")) > _SOCKET_PATH:
        variable = "RAY_TMPDIR" if os.environ.get("RAY_TMPDIR") else "TMPDIR"
        raise ConfigError(
            f"the folder for Ray's temporary files, {folder}, has too long a path for its sockets: set {variable} to a "
            "short one, such as /tmp"
        )


def _connect(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "://" not in address:
        # Ray itself would try for minutes.
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise _no_cluster(address, error) from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ValueError, ConnectionError, AuthenticationError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"cannot join the Ray cluster that RAY_ADDRESS names, {address} ({' '.join(str(error).split())[:200]}): "
        "give the address of its head, HOST:6379, or unset RAY_ADDRESS to run here"
    )
