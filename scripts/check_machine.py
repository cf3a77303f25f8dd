"""Refuse early, with the fix, what would otherwise fail minutes into the installation.

Runs on whatever Python the machine has, before the virtual environment exists: standard library only.
"""

import importlib.util
import shutil
import sys

MINIMUM_PYTHON = (3, 11)
MINIMUM_DISK_GB = 8  # virtual environment (about 5 GB with the CUDA build of torch) and room for runs


def problems():
    """Return one line for each thing this machine lacks."""
    found = []
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
    lines = problems()
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(1 if lines else 0)
