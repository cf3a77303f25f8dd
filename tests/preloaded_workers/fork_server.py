"""A process that has imported what Ray's workers import, and forks one for each that Ray starts.

A worker imports Ray, torch, RLlib and MLflow for two to five seconds of processor time, and the tests start some two
hundred: that was more than half of the suite's time. A fork has them at once. In all else it is the process that Ray
asked for, with the arguments, environment, folder and streams that Ray gave it; with an environment in which modules
might have been imported differently it is a Python of its own.
"""

import array
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

PRELOADED = ("ray._private.workers.default_worker", "ray.serve", "experiments.training.run", "transformers")
# What each worker has of its own, and no module reads: the title of its process, and what a shell leaves behind.
OWN = {"SPT_NOENV", "SHLVL", "PWD", "OLDPWD", "_"}
PATIENCE_S = 60


def python(socket_path: Path) -> str:
    """Give the command for Ray's `runtime_env={"py_executable": ...}` that starts workers at the server there."""
    return f"{sys.executable} -S -E {Path(__file__).with_name('start_worker.py')} {socket_path}"


@contextlib.contextmanager
def fork_server(socket_path: Path, env_vars: dict[str, str]) -> Iterator[None]:
    """Run a server for the local Ray session of this process, for the block.

    Ray's own settings are read when Ray is imported, those of the raylet and of the job among them. So the server is
    started with the environment that Ray's workers get, `env_vars` being what the runtime environment adds.
    """
    import psutil
    import ray

    (raylet,) = (child for child in psutil.Process().children() if child.name() == "raylet")
    # The raylet preloads an allocator, for itself alone.
    environment = {name: value for name, value in raylet.environ().items() if name != "LD_PRELOAD"}
    environment |= {"RAY_RAYLET_PID": str(raylet.pid), "RAY_JOB_ID": ray.get_runtime_context().get_job_id()} | env_vars
    command = [sys.executable, __file__, str(socket_path), *sys.path]
    process = subprocess.Popen(command, env=environment)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not socket_path.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the fork server of Ray's workers did not start (status {process.returncode})")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def serve(socket_path: str, search_path: list[str]) -> NoReturn:
    """Import, listen, and fork a process for each connection; `search_path` is the tests' own, as Ray gives workers."""
    environment = dict(os.environ)
    sys.path += [folder for folder in search_path if folder not in sys.path]
    for module in PRELOADED:
        importlib.import_module(module)
    # Collections of garbage in the workers then leave the memory that they share alone.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, reap)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{socket_path}.new")
        listening.listen(64)
        os.rename(f"{socket_path}.new", socket_path)
        while True:
            asking, _ = listening.accept()
            size, ancillary, _, _ = asking.recvmsg(8, socket.CMSG_SPACE(3 * array.array("i").itemsize))
            streams = array.array("i", ancillary[0][2])
            request = json.loads(asking.makefile("rb").read(int.from_bytes(size, "big")))
            if not os.fork():
                listening.close()
                asking.set_inheritable(True)
                become(request, streams, environment)
            asking.close()
            for stream in streams:
                os.close(stream)


def become(request: dict, streams: array.array, environment: dict[str, str]) -> NoReturn:
    """Be the process that Ray asked for; `environment` is the one in which the modules were imported."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    if {name for name, _ in environment.items() ^ request["env"].items()} - OWN:
        os.execve(sys.executable, [sys.executable, *request["argv"]], request["env"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = request["argv"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit()


def reap(number: int, frame: object) -> None:
    """Take leave of the children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
