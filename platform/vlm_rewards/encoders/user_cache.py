"""Files that a machine can make again, kept between processes in the user's cache folder."""

import contextlib
import os
import tempfile
from pathlib import Path

_VARIABLE = "VLM_REWARDS_CACHE"


def user_cache() -> Path:
    """Return the cache folder: VLM_REWARDS_CACHE, or vlm_rewards in the user's cache folder.

    Everything in it can be deleted at any time.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(_VARIABLE) or Path(base) / "vlm_rewards")


def write_whole(path: Path, data: bytes, keep_first: bool = False) -> None:
    """Write a file so that no reader ever sees a part of it.

    Args:
        path: Its folder is made where it is missing.
        data: What it shall hold.
        keep_first: Leave a file that is there by now as it is; else the last writer wins.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(data)
            file.close()
            if keep_first:
                with contextlib.suppress(FileExistsError):
                    os.link(file.name, path)
                os.unlink(file.name)
            else:
                os.replace(file.name, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            raise
