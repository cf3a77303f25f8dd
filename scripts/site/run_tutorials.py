"""Run the blocks of each tutorial, in order: its Python in one process, and the shell blocks that say so.

    python scripts/site/run_tutorials.py [NAME ...]

A shell block is run where `<!-- docs-check runs the next block -->` stands before it. A block that fails is named. What
they leave goes to a temporary folder.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^<!-- docs-check runs the next block -->\n```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Seconds; nobody waits longer for a page. On a machine that is busy with other work give more.
MOST_S = float(os.environ.get("DOCS_CHECK_MOST_S", 180))


def programs(page: Path) -> Iterator[list[str]]:
    """Yield the commands that run a page's blocks."""
    text = page.read_text(encoding="utf-8")
    for found in SHELL.finditer(text):
        yield ["bash", "-euc", found[1]]
    code = ""
    for found in PYTHON.finditer(text):
        # Blank lines in front, so that a traceback's line numbers are the page's.
        code += "\n" * (text[: found.start(1)].count("\n") - code.count("\n")) + found[1]
    if code:
        yield [sys.executable, "-c", f"exec(compile({code!r}, {str(page)!r}, 'exec'))"]


def run(page: Path) -> str:
    """Run a page.

    Returns:
        What is wrong; empty where nothing is.
    """
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # `python` is this one, the repository is found, and results go nowhere that matters.
        paths = os.pathsep.join([str(ROOT), str(ROOT / "platform"), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"VLM_REWARDS_OUTPUT": folder, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        for program in programs(page):
            left = MOST_S - (time.monotonic() - begun)
            try:
                status = subprocess.run(program, cwd=ROOT, env=environment, timeout=left).returncode
            except subprocess.TimeoutExpired:
                return f"it took more than {MOST_S:.0f} s"
            if status:
                return f"failed with status {status}"
    return ""


def main(names: list[str]) -> int:
    """Run the named pages, or all; the number of those that failed is the status."""
    failed = 0
    for page in sorted((ROOT / "docs" / "tutorials").glob("*.md")):
        if (names and page.stem not in names) or not any(programs(page)):
            continue
        begun = time.monotonic()
        wrong = run(page)
        failed += bool(wrong)
        print(f"{page.relative_to(ROOT)}: {wrong or 'ok'}, {time.monotonic() - begun:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
