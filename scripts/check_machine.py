"""Refuse early, with the fix, what would otherwise fail minutes into the installation; install what can be installed.

Runs on whatever Python the machine has, before the virtual environment exists: standard library only.
"""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys

MINIMUM_PYTHON = (3, 11)
MINIMUM_DISK_GB = 8  # virtual environment (about 5 GB with the CUDA build of torch) and room for runs


# Mesa's software driver, which draws the home where there is no GPU.
GL_PACKAGES = ("libegl1", "libgl1-mesa-dri")


def lacks_gl() -> bool:
    """Tell whether headless MuJoCo, which is to draw through EGL, would find no EGL here."""
    if os.environ.get("MUJOCO_GL", "egl") != "egl":
        return False
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        return True
    return False


def as_root() -> "list[str] | None":
    """Return how a command runs as root here: as it is, by a sudo that asks nothing, or (None) not at all."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.call(["sudo", "-n", "true"], stderr=subprocess.DEVNULL) == 0:
        return ["sudo", "-n"]
    return None


def install_gl() -> None:
    """Install the missing GL libraries, and say so, where that needs nobody; otherwise do nothing."""
    prefix = as_root()
    if prefix is None or not shutil.which("apt-get"):
        return
    print("The home is drawn through EGL, which this machine lacks: installing %s" % " and ".join(GL_PACKAGES))
    sys.stdout.flush()
    # What goes wrong, apt-get says; the check that follows says what to do.
    apt_get = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    subprocess.call([*apt_get, "update", "-qq"])
    subprocess.call([*apt_get, "install", "-y", "-qq", "--no-install-recommends", *GL_PACKAGES])


def problems(rendering: bool = False) -> "list[str]":
    """Return one line for each thing this machine lacks; with `rendering`, also what headless MuJoCo needs."""
    found = []
    if rendering and lacks_gl():
        found.append(
            "The home is drawn through EGL, and libEGL.so.1 is missing: on Debian or Ubuntu, "
            "sudo apt-get install %s (or set MUJOCO_GL=osmesa and install libosmesa6)" % " ".join(GL_PACKAGES)
        )
    if sys.version_info < MINIMUM_PYTHON:
        found.append(
            "Python %d.%d or newer is needed, this is %d.%d: install it, or name one: make PYTHON=python3.11 demo"
            % (MINIMUM_PYTHON + sys.version_info[:2])
        )
    if importlib.util.find_spec("ensurepip") is None:
        found.append("Python's venv module is incomplete: on Debian or Ubuntu, apt-get install python3-venv")
    free_gb = shutil.disk_usage(".").free / 1e9
    if free_gb < MINIMUM_DISK_GB:
        found.append("%d GB of free disk are needed here, %.1f are left: free some space" % (MINIMUM_DISK_GB, free_gb))
    return found


if __name__ == "__main__":
    with_rendering = "--rendering" in sys.argv[1:]
    if with_rendering and lacks_gl():
        install_gl()
    lines = problems(with_rendering)
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(1 if lines else 0)
