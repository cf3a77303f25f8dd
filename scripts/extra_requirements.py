"""Print what extras of this project require, one a line, for pip: an image installs them before it has the code.

python scripts/extra_requirements.py experiments openvino > requirements.txt
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def requirements(extras: Iterable[str], pyproject: Path = PYPROJECT) -> list[str]:
    """Return the project's own requirements and those of some extras, each once, sorted.

    Args:
        extras: Their names in `pyproject.toml`; those that they name in turn are followed.
        pyproject: The file.

    Raises:
        ValueError: The file names no such extra.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    known = project["optional-dependencies"]
    found = set(project["dependencies"])
    waiting, seen = list(extras), set()
    while waiting:
        extra = waiting.pop()
        if extra in seen:
            continue
        seen.add(extra)
        if extra not in known:
            raise ValueError(f"there is no extra {extra!r}; known: {', '.join(sorted(known))}")
        for requirement in known[extra]:
            own = re.fullmatch(rf"{re.escape(project['name'])}\[([\w, ]+)\]", requirement)
            if own:
                waiting += [name.strip() for name in own[1].split(",")]
            else:
                found.add(requirement)
    return sorted(found)


if __name__ == "__main__":
    try:
        print(*requirements(sys.argv[1:]), sep="\n")
    except ValueError as error:
        sys.exit(f"error: {error}")
