"""Disk space held back so that a run can still be closed when the disk is full."""

import os
from pathlib import Path

RESERVE_BYTES = 2 * 1024 * 1024


class DiskReserve:
    """A file of real blocks beside a sqlite store, deleted when the disk is full.

    A full disk lets sqlite write nothing, not even that the run failed: it would stay RUNNING for ever. Giving back the
    reserve makes room for that last transaction.

    Attributes:
        path: The reserve file.
    """

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self.path = path
        if path.exists() and path.stat().st_size == size:
            return
        with path.open("wb") as file:
            # Written, not truncated to size: a sparse file would hold nothing back.
            file.write(b"\0" * size)
            os.fsync(file.fileno())

    def release(self) -> None:
        """Give the space back. Harmless when it is gone already."""
        self.path.unlink(missing_ok=True)
