"""Stands in for Python where Ray starts a worker: has the fork server make the process, and ends when that ends.

Ray runs `python -S -E start_worker.py SOCKET default_worker.py ...`. To cost little it imports next to nothing.
"""

import array
import json
import os
import socket
import sys
import time

PATIENCE_S = 60

socket_path, *argv = sys.argv[1:]
with socket.socket(socket.AF_UNIX) as server:
    # Ray starts a worker or two before the server listens.
    deadline = time.monotonic() + PATIENCE_S
    while server.connect_ex(socket_path):
        if time.monotonic() > deadline:
            sys.exit(f"no fork server listens at {socket_path}")
        time.sleep(0.05)
    request = json.dumps({"argv": argv, "env": dict(os.environ), "cwd": os.getcwd()}).encode()
    streams = array.array("i", [0, 1, 2])
    server.sendmsg([len(request).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    server.sendall(request)
    # The worker keeps its end open for as long as it lives.
    server.recv(1)
