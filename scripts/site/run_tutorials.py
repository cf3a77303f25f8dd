"""Run the Python blocks of each tutorial, in order and in one process a page; a block that fails is named."""

import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Seconds; nobody waits longer for a page.
MOST_S = 180


def main() -> int:
    """Run all; the number of pages that failed is the status."""
    failed = 0
    for page in sorted((ROOT / "docs" / "tutorials").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        code = ""
        for found in BLOCK.finditer(text):
            # Blank lines in front, so that a traceback's line numbers are the page's.
            code += "\n" * (text[: found.start(1)].count("\n") - code.count("\n")) + found[1]
        if not code:
            continue
        begun = time.monotonic()
        program = f"exec(compile({code!r}, {str(page)!r}, 'exec'))"
        status = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=MOST_S).returncode
        outcome = f"failed with status {status}" if status else "ok"
        print(f"{page.relative_to(ROOT)}: {outcome}, {time.monotonic() - begun:.0f} s", flush=True)
        failed += status != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
