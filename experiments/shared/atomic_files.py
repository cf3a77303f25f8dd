"""Files that are complete or absent."""

from pathlib import Path
from typing import Any

from vlm_rewards.whole_files import written_whole


def write_atomically(path: Path, data: Any) -> None:
    """Write a file so that a kill, or a lost machine, leave the whole of it or the one before.

    Args:
        path: The file, in a folder that exists.
        data: Text, which becomes UTF-8, or anything with bytes in it.
    """
    with written_whole(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)
