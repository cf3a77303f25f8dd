"""A stand-in for an Android emulator: the gRPC controller, adb and launcher that AndroidEnv's EmulatorSimulator uses.

Behind all of them is one simulated phone that runs on wall-clock time, so screenshots, touches and logs agree. It runs
in the test's process (`StandInEmulator`) or, as the program `emulator` does, in one of its own (`main`).
"""

import argparse
import json
import os
import socketserver
import stat
import sys
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
from android_env.components import errors
from android_env.proto import emulator_controller_pb2 as pb2
from android_env.proto import emulator_controller_pb2_grpc as pb2_grpc
from google.protobuf import empty_pb2

from envs.android.adb import EmbeddedAdbController
from envs.android.apps import APPS
from envs.android.device.phone import Phone

ROOT = Path(__file__).parents[3]
SCREEN = (400, 250)
PHONE_SECONDS_PER_SECOND = 5.0
CONTROL_PORT_FILE = "control_port"

# adb without a device still answers `devices`: AndroidEnv asks before it starts the emulator.
ADB = """#!{python} -S
import json, pathlib, socket, sys
args = sys.argv[1:]
while args and args[0] in ("-P", "-s"):
    args = args[2:]
port = pathlib.Path(__file__).with_name("{port_file}")
if not port.exists():
    print("List of devices attached")
    sys.exit(args != ["devices"])
connection = socket.create_connection(("127.0.0.1", int(port.read_text())))
connection.sendall(json.dumps(args).encode() + b"\\n")
answer = connection.makefile("rb")
status = int(answer.readline())
for line in answer:
    sys.stdout.buffer.write(line)
    sys.stdout.flush()
sys.exit(status)
"""
EMULATOR = """#!/bin/sh
export PYTHONPATH={root}:{root}/platform OMP_NUM_THREADS=1
exec {python} {program} --control-port-file {port_file} "$@"
"""


class LivePhone:
    """The phone on wall-clock time, for several threads."""

    def __init__(self):
        self.phone = Phone(seed=7, layout="fixed")
        self.phone.reset(7)
        self.lock = threading.RLock()
        self.log = []
        self._last = time.monotonic()

    def __enter__(self):
        self.lock.acquire()
        now = time.monotonic()
        self.phone.tick((now - self._last) * PHONE_SECONDS_PER_SECOND)
        self._last = now
        return self.phone

    def __exit__(self, *_):
        self.log += [(event, time.time()) for event in self.phone.log_events()]
        self.lock.release()


class Controller(pb2_grpc.EmulatorControllerServicer):
    def __init__(self, live, on_shutdown):
        self.live = live
        self.on_shutdown = on_shutdown
        self.finger_is_down = False

    def getStatus(self, request, context):  # noqa: N802
        return pb2.EmulatorStatus(booted=True, uptime=1234)

    def sendTouch(self, request, context):  # noqa: N802
        touch = request.touches[0]
        x, y = (touch.x + 0.5) / SCREEN[1], (touch.y + 0.5) / SCREEN[0]
        with self.live as phone:
            if not touch.pressure:
                phone.touch_up()
            elif self.finger_is_down:
                phone.touch_move(x, y)
            else:
                phone.touch_down(x, y)
            self.finger_is_down = bool(touch.pressure)
        return empty_pb2.Empty()

    def getScreenshot(self, request, context):  # noqa: N802
        with self.live as phone:
            rgb = phone.render(*SCREEN)
        rgba = np.concatenate([rgb, np.full((*SCREEN, 1), 255, np.uint8)], axis=-1)
        image_format = pb2.ImageFormat(format=request.format, height=SCREEN[0], width=SCREEN[1])
        return pb2.Image(format=image_format, image=rgba.tobytes())

    def setVmState(self, request, context):  # noqa: N802
        if request.state == pb2.VmRunState.RunState.SHUTDOWN:
            self.on_shutdown()
        return empty_pb2.Empty()


class StandInEmulator:
    """The emulator's gRPC server and the device's end of adb, on loopback."""

    def __init__(self, grpc_port=0):
        self.live = LivePhone()
        self.shut_down = threading.Event()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        pb2_grpc.add_EmulatorControllerServicer_to_server(Controller(self.live, self.shut_down.set), self._server)
        self.grpc_port = self._server.add_secure_port(f"127.0.0.1:{grpc_port}", grpc.local_server_credentials())
        self._server.start()
        self._adb = _AdbServer(("127.0.0.1", 0), _AdbRequest)
        self._adb.live = self.live
        self._adb.commands = self.commands = []
        self._adb.shut_down = self.shut_down
        self.control_port = self._adb.server_address[1]
        self._thread = threading.Thread(target=self._adb.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self.shut_down.set()
        self._server.stop(grace=0).wait()
        self._adb.shutdown()
        self._adb.server_close()
        self._thread.join()


class _AdbServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _AdbRequest(socketserver.StreamRequestHandler):
    def handle(self):
        args = json.loads(self.rfile.readline())
        self.server.commands.append(args)
        try:
            if args[0] == "logcat":
                self._logcat(args[1:])
                return
            if args in (["kill-server"], ["start-server"]):
                output = b""
            else:
                with self.server.live as phone:
                    activities = {app.package: app.activity for app in APPS}
                    output = EmbeddedAdbController(phone, activities, SCREEN).execute_command(args)
            self.wfile.write(b"0\n" + output)
        except errors.AdbControllerError as error:
            self.wfile.write(b"1\n" + str(error).encode())
        except OSError:
            pass  # the adb at the other end was killed

    def _logcat(self, args):
        self.wfile.write(b"0\n")
        live = self.server.live
        if "-c" in args:
            with live:
                live.log.clear()
            return
        tags = [arg.partition(":")[0] for arg in args if ":" in arg]
        sent = 0
        while not self.server.shut_down.wait(0.005):
            with live:
                entries, sent = live.log[sent:], len(live.log)
            for event, now in entries:
                if event.tag in tags:
                    line = f"         {now:.3f}  1000  1000 {event.level} {event.tag}: {event.message}\n"
                    self.wfile.write(line.encode())


def install(folder):
    """Writes the programs `adb` and `emulator` into a folder and returns their paths."""
    adb, emulator = folder / "adb", folder / "emulator"
    adb.write_text(ADB.format(python=sys.executable, port_file=CONTROL_PORT_FILE))
    emulator.write_text(
        EMULATOR.format(root=ROOT, python=sys.executable, program=Path(__file__), port_file=folder / CONTROL_PORT_FILE)
    )
    for program in (adb, emulator):
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return adb, emulator


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--control-port-file", type=Path, required=True)
    parser.add_argument("-grpc", type=int, required=True)
    parser.add_argument("-avd", required=True)
    args, _ = parser.parse_known_args()
    print(f"stand-in emulator: avd {args.avd}, gRPC port {args.grpc}, pid {os.getpid()}", flush=True)
    emulator = StandInEmulator(args.grpc)
    args.control_port_file.write_text(str(emulator.control_port))
    emulator.shut_down.wait()
    args.control_port_file.unlink()
    time.sleep(0.05)  # lets the answer to the shutdown request out
    emulator.stop()


if __name__ == "__main__":
    main()
