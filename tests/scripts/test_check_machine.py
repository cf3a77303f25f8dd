"""What a fresh machine is told, and given, before the tests: run as `make test` runs it, with stand-in programs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_machine.py"
# Runs the script as on a machine without EGL until apt-get has installed it, and as this user.
FRESH = """
import ctypes, os, runpy, sys
installed, user, script = sys.argv[1:4]
load = ctypes.CDLL
def without_egl(name, *arguments, **options):
    if name == "libEGL.so.1" and not os.path.exists(installed):
        raise OSError(name)
    return None if name == "libEGL.so.1" else load(name, *arguments, **options)
ctypes.CDLL = without_egl
os.geteuid = lambda: int(user)
sys.argv = [script, "--rendering"]
runpy.run_path(script, run_name="__main__")
"""
LINE = (
    "The home is drawn through EGL, and libEGL.so.1 is missing: on Debian or Ubuntu, sudo apt-get install libegl1 "
    "libgl1-mesa-dri (or set MUJOCO_GL=osmesa and install libosmesa6)\n"
)


@pytest.fixture
def fresh(tmp_path):
    """Runs the check on a machine with these programs; returns its result and what apt-get was told."""
    (tmp_path / "bin").mkdir()
    asked, installed = tmp_path / "asked", tmp_path / "installed"

    def program(name, text):
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(user=0, apt="works", sudo=None, **variables):
        if apt:
            ending = f'[ "$1" = install ] && : > {installed}; exit 0' if apt == "works" else "exit 100"
            program("apt-get", f'echo "$@" >> {asked}\n{ending}')
        program("env", 'shift; exec "$@"')
        if sudo:
            program("sudo", '[ "$1" = -n ] || exit 1; shift; exec "$@"' if sudo == "asks nothing" else "exit 1")
        program("true", "exit 0")
        command = [sys.executable, "-c", FRESH, str(installed), str(user), str(SCRIPT)]
        kept = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
        environment = kept | {"PATH": str(tmp_path / "bin")} | variables
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=30)
        return done, asked.read_text().splitlines() if asked.exists() else []

    return run


INSTALLED = ["update -qq", "install -y -qq --no-install-recommends libegl1 libgl1-mesa-dri"]


@pytest.mark.parametrize("who", [{"user": 0}, {"user": 1000, "sudo": "asks nothing"}], ids=["root", "sudo"])
def test_missing_gl_libraries_are_installed_where_nobody_need_be_asked_and_it_is_said(fresh, who):
    done, asked = fresh(**who)
    assert (done.returncode, asked) == (0, INSTALLED), done.stderr
    assert "which this machine lacks: installing libegl1 and libgl1-mesa-dri" in done.stdout


@pytest.mark.parametrize(
    "machine",
    [{"user": 1000}, {"user": 1000, "sudo": "asks"}, {"user": 0, "apt": None}],
    ids=["no sudo", "a sudo that asks", "no Debian"],
)
def test_elsewhere_the_line_to_run_is_printed_and_nothing_is_touched(fresh, machine):
    done, asked = fresh(**machine)
    assert (done.returncode, done.stderr, asked) == (1, LINE, [])


def test_an_installation_that_fails_ends_with_the_line(fresh):
    done, asked = fresh(apt="fails")
    assert (done.returncode, done.stderr) == (1, LINE)
    assert asked == INSTALLED


def test_who_draws_in_another_way_needs_no_egl(fresh):
    done, asked = fresh(MUJOCO_GL="osmesa")
    assert (done.returncode, asked) == (0, []), done.stderr
