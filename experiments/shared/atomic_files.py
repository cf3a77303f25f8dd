"""Files that are complete or absent."""

import os
from pathlib import Path
from typing import Any


def write_atomically(path: Path, data: Any) -> None:
    """Write a file so that a kill, or a lost machine, leave the whole of it or the one before.

    Args:
        path: The file, in a folder that exists.
        data: Text, which becomes UTF-8, or anything with bytes in it.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
