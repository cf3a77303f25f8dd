"""A process that has imported what others import, and forks one for each that is asked for.

A worker of Ray imports Ray, torch, RLlib and MLflow for two to five seconds of processor time, and the tests start some
two hundred: that was more than half of the suite's time. A fork has them at once. In all else it is the process that
was asked for, with its arguments, environment, folder and streams; with an environment in which modules might have been
imported differently it is a Python of its own.
"""

import array
import contextlib
import ctypes
import gc
import hashlib
import importlib
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

# In two steps: Ray reads its variables when it is imported, and each job of each session has its own. Among them what
# loading a packaged model, keeping a run in sqlite and drawing a figure import when they do it, for seconds.
CLIP = "transformers.models.clip"
WITHOUT_RAY = (
    *("torch", "torch._dynamo", "transformers.modeling_utils", "openvino.frontend.pytorch", "matplotlib.pyplot"),
    *(f"{CLIP}.modeling_clip", f"{CLIP}.image_processing_pil_clip", "transformers.models.bert.modeling_bert"),
    *("transformers.models.resnet.modeling_resnet", "mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store"),
    *("pandas", "pyarrow.parquet", "scipy.stats", "gymnasium", "PIL.Image"),
)
LIBRARIES = ("ray._private.workers.default_worker", "ray.serve", "ray.tune", "ray.rllib.algorithms.ppo")
LIBRARIES += ("ray.rllib.algorithms.dqn", "ray.rllib.algorithms.appo")
OURS = (*LIBRARIES, "experiments.training.run", "vlm_rewards.encoders.openvino_encoder", "envs.android.env")
OURS += ("vlm_rewards.service.deployment",)
# What each process has of its own, and no module reads when it is imported: the title of its process, what a shell
# leaves behind, which warnings are printed, what Tune tells trials for Lightning, and what ours and Ray read when they
# begin to work.
OWN = {"SPT_NOENV", "SHLVL", "PWD", "OLDPWD", "_", "PYTHONBREAKPOINT", "PYTEST_CURRENT_TEST", "PYTHONWARNINGS"}
OWN |= {"PL_DISABLE_FORK", "RAY_LD_PRELOAD_ON_WORKERS", "RAY_ADDRESS", "MLFLOW_TRACKING_URI", "VLM_REWARDS_OUTPUT"}
PR_SET_PDEATHSIG = 1
PATIENCE_S = 60
HERE = Path(__file__).parent
SETUP_WORKER = "setup_worker.py"


@contextlib.contextmanager
def fork_server(
    folder: Path, env_vars: dict[str, str], environment: dict[str, str] | None = None, python: str = sys.executable
) -> Iterator[None]:
    """Run a server for the block, in a folder that exists.

    Args:
        folder: For its socket.
        env_vars: What a runtime environment adds to the variables of Ray's workers.
        environment: That of the processes which will ask; this one's, unless others are named. With another one, only
            libraries are imported, and the workers' PYTHONPATH says where our own modules are.
        python: The program that the workers run.
    """
    shutil.copy(HERE / SETUP_WORKER, folder)
    only_libraries = environment is not None
    command = [python, __file__, str(folder), *(["--libraries"] if only_libraries else sys.path)]
    variables = dict(environment if only_libraries else os.environ) | env_vars
    if only_libraries:
        variables.pop("PYTHONPATH", None)
    (folder / "environment.json").write_text(json.dumps(variables))
    process = subprocess.Popen(command, cwd=folder if only_libraries else None, env=variables)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (folder / "socket").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the fork server did not start (status {process.returncode})")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def workers_of(folder: Path) -> Iterator[None]:
    """Have the server in that folder make the workers of all Ray sessions that this process begins in the block."""
    from ray._private import ray_constants

    # Joined to the path of a folder of Ray's, which it replaces: it is absolute.
    before, ray_constants.SETUP_WORKER_FILENAME = ray_constants.SETUP_WORKER_FILENAME, str(folder / SETUP_WORKER)
    try:
        yield
    finally:
        ray_constants.SETUP_WORKER_FILENAME = before


def main(folder: Path, search_path: Sequence[str]) -> NoReturn:
    """Import what is not Ray, and fork a server for each environment that is asked for."""
    gc.disable()
    environment, modules = dict(os.environ), OURS
    if search_path == ["--libraries"]:
        search_path, modules = [], LIBRARIES
    sys.path += [each for each in search_path if each not in sys.path]
    imported(WITHOUT_RAY)
    assert "ray" not in sys.modules
    servers: set[str] = set()

    def decide(request: dict) -> int:
        wanted = {name: value for name, value in request["env"].items() if name not in OWN}
        ours = {name: value for name, value in environment.items() if name not in OWN}
        others = {name for name, _ in wanted.items() ^ ours.items() if not name.startswith("RAY_")}
        if others - ({"PYTHONPATH"} if modules is LIBRARIES else set()):
            return 0
        # A PYTHONPATH may be relative to the folder.
        key = hashlib.sha256(json.dumps([wanted, request["cwd"]], sort_keys=True).encode()).hexdigest()[:16]
        if key not in servers:
            servers.add(key)
            with listen(folder / key) as its:
                if not os.fork():
                    listening.close()
                    serve_environment(folder, its, request, modules)
        return int(key, 16)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with listen(folder / "socket") as listening:
        while True:
            connection, _ = listening.accept()
            request, streams = received(connection)
            for stream in streams:
                os.close(stream)
            with contextlib.suppress(OSError), connection:
                connection.sendall(decide(request).to_bytes(8, "big"))


def serve_environment(folder: Path, listening: socket.socket, first: dict, modules: Sequence[str]) -> NoReturn:
    """Import the rest in that environment, and fork a process for each connection, until the first server ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(first["cwd"])
    os.environ.clear()
    os.environ.update(first["env"])
    if modules is LIBRARIES:
        named = first["env"].get("PYTHONPATH", "").split(os.pathsep)
        sys.path[1:1] = [os.path.abspath(each) for each in named if each]
    with rays_randomness_untouched():
        imported(modules)
    if modules is not LIBRARIES:
        importlib.import_module("tests.shorter_ray").shorten()
    # Collections of garbage in the forks then leave the memory that they share alone.
    gc.collect()
    gc.freeze()
    gc.enable()
    asking: dict[int, socket.socket] = {}
    signal.signal(signal.SIGCHLD, lambda *_: reap(asking))
    # Sessions that a fork begins get their workers from here, too.
    with workers_of(folder):
        while True:
            connection, _ = listening.accept()
            request, streams = received(connection)
            # One that ends at once is not missed.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            child = os.fork()
            if not child:
                for other in (listening, *asking.values()):
                    other.close()
                become(request, streams)
            asking[child] = connection
            with contextlib.suppress(OSError):
                connection.sendall(child.to_bytes(8, "big"))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            for stream in streams:
                os.close(stream)


def imported(modules: Sequence[str]) -> None:
    """Import what is installed; who needs another says so."""
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)


@contextlib.contextmanager
def rays_randomness_untouched() -> Iterator[None]:
    """Take the ids of classes of actors that are imported in the block from the system.

    Ray's own generator has its state from the first draw on, and forks would draw the same: two trials' tasks had one
    id, and whom both asked, such as Serve's controller, lost one or died ("Check failed: erased == 1").
    """
    from ray import actor

    rays = actor.ActorClassID
    actor.ActorClassID = type("", (), {"from_random": staticmethod(lambda: rays(os.urandom(rays.size())))})
    try:
        yield
    finally:
        actor.ActorClassID = rays


def listen(path: Path) -> socket.socket:
    """Listen at a path, which is there when it can be asked."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{path}.new")
    listening.listen(64)
    os.rename(f"{path}.new", path)
    return listening


def received(connection: socket.socket) -> tuple[dict, array.array]:
    """Return what is asked for, and the streams for it."""
    size, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    request = json.loads(connection.makefile("rb").read(int.from_bytes(size, "big")))
    return request, array.array("i", ancillary[0][2])


def become(request: dict, streams: array.array) -> NoReturn:
    """Be the process that was asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if request.get("new_session"):
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    argv = request["argv"]
    if argv[0] == "-m":
        sys.argv, sys.path[0] = argv[1:], os.getcwd()
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = argv, str(Path(argv[0]).parent)
        runpy.run_path(argv[0], run_name="__main__")
    sys.exit()


def reap(asking: dict[int, socket.socket]) -> None:
    """Tell those who asked for the processes that have ended how they did."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if (connection := asking.pop(ended[0], None)) is not None:
                with contextlib.suppress(OSError):
                    connection.sendall(ended[1].to_bytes(8, "big"))
                connection.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
