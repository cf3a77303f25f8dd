"""What happens to files on disks and in copies."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: max(0, path.stat().st_size - 3)]),
    "garbage": lambda path: path.write_bytes(b"\x00\xffgarbage"),
}


@contextmanager
def damaged(path: Path, damage: str) -> Iterator[None]:
    """Damages a file for the duration."""
    whole = path.read_bytes()
    DAMAGES[damage](path)
    try:
        yield
    finally:
        path.write_bytes(whole)


def each_damage(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Damages one file after the other in each way; yields the file and the damage while it lasts."""
    for path in paths:
        for damage in DAMAGES:
            with damaged(path, damage):
                yield path, damage
