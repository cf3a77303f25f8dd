"""`--quiet`: whether this process says results, warnings and errors alone."""

from collections.abc import Iterator
from contextlib import contextmanager

_quiet = False


def is_quiet() -> bool:
    """Whether stages and progress are not to be shown."""
    return _quiet


@contextmanager
def quietly(quiet: bool) -> Iterator[None]:
    """Be quiet for the duration, if so asked."""
    global _quiet
    before, _quiet = _quiet, quiet
    try:
        yield
    finally:
        _quiet = before
