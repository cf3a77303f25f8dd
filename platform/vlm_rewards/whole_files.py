"""Files that are complete or absent, whatever happens while they are written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a name to write to, beside `path`, that becomes `path` at the end of the block.

    A kill, a full disk or an error leave what was there before. After an error nothing else stays either.

    Args:
        path: The file, in a folder that exists.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
