"""The notebooks: where they are, and what became of them when they were run.

A notebook is a Python file in jupytext's percent format, which a person reviews and any Jupyter with jupytext opens.
What running it gave is `build/notebooks/NAME.ipynb`, and never committed: it can be made again at any time.
"""

import hashlib
from pathlib import Path
from typing import Any

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
RUN = ROOT / "build" / "notebooks"
#: In the metadata of a notebook that was run: which text it was, and the seconds that it took.
KEY = "vlm_rewards"


def read(source: Path) -> Any:
    """Return a notebook as it is written, without outputs."""
    return jupytext.read(source, fmt="py:percent")


def digest(source: Path) -> str:
    """Return the hex sha256 of a notebook's text."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


def executed(source: Path) -> Any | None:
    """Return a notebook with the outputs of its present text; None where that has not been run."""
    path = RUN / f"{source.stem}.ipynb"
    if not path.is_file():
        return None
    notebook: Any = nbformat.read(path, as_version=4)
    return notebook if notebook.metadata.get(KEY, {}).get("source") == digest(source) else None
