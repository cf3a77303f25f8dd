"""Run the notebooks, each in a kernel of its own, and keep what they gave in build/notebooks; a failure is named.

python scripts/site/run_notebooks.py [NAME ...]
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# Of the kernels, too: two threads on two busy cores are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from scripts.site.notebooks import KEY, ROOT, RUN, SOURCES, digest, read

# Seconds; nobody waits longer for a notebook. On a machine that is busy with other work give more.
MOST_S = float(os.environ.get("DOCS_CHECK_MOST_S", 180))


def _group_of(provisioner: Any) -> int:
    """Return the process group of a kernel on this machine."""
    return int(provisioner.pgid)


def run(source: Path) -> str:
    """Run one notebook.

    Returns:
        What is wrong; empty where nothing is.
    """
    notebook = read(source)
    begun = time.monotonic()
    groups: list[int] = []
    try:
        # By files, as no port need be free for them, nor open to others.
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc")
        resources = {"metadata": {"path": str(ROOT)}}
        client = NotebookClient(notebook, km=kernel, timeout=MOST_S, resources=resources)
        client.on_notebook_start = lambda notebook: groups.append(_group_of(kernel.provisioner))
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return str(error).strip()
    finally:
        for group in groups:  # whatever a cell started and did not wait for
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)
    seconds = time.monotonic() - begun
    notebook.metadata[KEY] = {"source": digest(source), "seconds": round(seconds, 1)}
    RUN.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, RUN / f"{source.stem}.ipynb")
    return "" if seconds <= MOST_S else f"it took {seconds:.0f} s, and may take {MOST_S:.0f}"


def main(names: list[str]) -> int:
    """Run the named notebooks, or all; the number of those that failed is the status."""
    failed = 0
    for source in [source for source in SOURCES if not names or source.stem in names]:
        begun = time.monotonic()
        wrong = run(source)
        failed += bool(wrong)
        print(f"{source.relative_to(ROOT)}: {wrong or 'ok'}, {time.monotonic() - begun:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
