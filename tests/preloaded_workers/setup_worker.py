"""Stands in for Ray's own `setup_worker.py`: has the fork server make the worker, and ends when that ends.

Ray's own imports Ray to read what the worker's environment is to be, and that costs more than all of a fork. A copy of
this file lies in the fork server's folder, beside its socket; what it does not know it leaves to Ray's own. To cost
little it imports next to nothing.
"""

import array
import json
import os
import socket
import sys
import time

PATIENCE_S = 60
CONTEXT, LANGUAGE = "--serialized-runtime-env-context=", "--language="


def request(arguments):
    """What the fork server is to be asked for; None where only Ray's own knows what to do."""
    worker = [each for each in arguments if not each.startswith((CONTEXT, LANGUAGE))]
    context = json.loads(next((each[len(CONTEXT) :] for each in arguments if each.startswith(CONTEXT)), "") or "{}")
    prefix, folder = context.get("command_prefix") or [], os.getcwd()
    if prefix[::2] == ["cd", "&&"]:
        import shlex

        (folder,), prefix = shlex.split(prefix[1]), []
    if (
        prefix
        or f"{LANGUAGE}PYTHON" not in arguments
        or context.get("override_worker_entrypoint")
        or context.get("py_executable", sys.executable) != sys.executable
    ):
        return None
    environment = dict(os.environ)
    for name, value in (context.get("env_vars") or {}).items():
        # As `ray._private.utils.update_envs` does, which expands them one after the other.
        environment[name] = os.environ[name] = os.path.expandvars(value)
        if "${" in environment[name]:
            return None
    return {"argv": worker, "env": environment, "cwd": folder}


def ask(folder, wanted, streams=(0, 1, 2)):
    """Ask for a process with these streams; returns the connection, or None where it needs a Python of its own.

    First for a server of that environment, then that for the process.
    """
    with sent(os.path.join(folder, "socket"), wanted, streams) as first:
        key = int.from_bytes(first.recv(8), "big")
    return sent(os.path.join(folder, f"{key:016x}"), wanted, streams) if key else None


def sent(path, wanted, streams):
    server = socket.socket(socket.AF_UNIX)
    # It listens before it has imported Ray; many who ask at once may have to ask again.
    deadline = time.monotonic() + PATIENCE_S
    while server.connect_ex(path):
        if time.monotonic() > deadline:
            sys.exit(f"no fork server listens at {path}")
        time.sleep(0.05)
    text = json.dumps(wanted).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))]
    server.sendmsg([len(text).to_bytes(8, "big")], rights)
    server.sendall(text)
    return server


if __name__ == "__main__":
    wanted = request(sys.argv[1:])
    connection = ask(os.path.dirname(os.path.abspath(__file__)), wanted) if wanted else None
    if connection is None:
        from importlib.util import find_spec

        (ray,) = find_spec("ray").submodule_search_locations
        own = os.path.join(ray, "_private", "workers", "setup_worker.py")
        os.execv(sys.executable, [sys.executable, own, *sys.argv[1:]])
    # Its process id, and then nothing until it has ended.
    connection.recv(8)
    connection.recv(8)
