"""Refuse early, with the fix, what would otherwise fail minutes into the installation.

Runs on whatever Python the machine has, before the virtual environment exists: standard library only.
"""

import ctypes
import importlib.util
import os
import shutil
import sys

MINIMUM_PYTHON = (3, 11)
MINIMUM_DISK_GB = 8  # virtual environment (about 5 GB with the CUDA build of torch) and room for runs


def problems(rendering=False):
    """Return one line for each thing this machine lacks; with `rendering`, also what headless MuJoCo needs."""
    found = []
    if rendering and os.environ.get("MUJOCO_GL", "egl") == "egl":
        try:
            ctypes.CDLL("libEGL.so.1")
        except OSError:
            found.append(
                "The home is drawn through EGL, and libEGL.so.1 is missing: on Debian or Ubuntu, "
                "apt-get install libegl1 libgl1-mesa-dri (or set MUJOCO_GL=osmesa and install libosmesa6)"
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
    lines = problems(rendering="--rendering" in sys.argv[1:])
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(1 if lines else 0)
