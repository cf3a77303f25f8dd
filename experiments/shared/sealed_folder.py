"""Folders whose content can be proven whole: checkpoints that were copied in part, or lost bytes, are found out."""

import hashlib
import json
import os
from pathlib import Path

SEAL = "checksums.json"


def seal(folder: Path) -> None:
    """Write the checksums of all files below `folder` into it, and everything through to the disk."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    checksums = {path.relative_to(folder).as_posix(): _checksum(path) for path in files}
    (folder / SEAL).write_text(json.dumps(checksums, indent=1))
    for path in (*files, folder / SEAL, *(path for path in folder.rglob("*") if path.is_dir()), folder):
        flush(path)


def damage(folder: Path) -> str | None:
    """Return what is wrong with a sealed folder in a few words, or None if it is as it was sealed."""
    try:
        checksums = json.loads((folder / SEAL).read_text())
        names = sorted(checksums.items())
    except OSError:
        return f"{folder.name} or its {SEAL} is missing"
    except (ValueError, AttributeError, RecursionError):
        return f"{folder.name}/{SEAL} cannot be read"
    if not names:  # a folder was never sealed without a file in it, and an empty list would prove anything
        return f"{folder.name}/{SEAL} is empty"
    for name, checksum in names:
        path = folder / name
        if not path.is_file():
            return f"{folder.name}/{name} is missing"
        if _checksum(path) != checksum:
            return f"{folder.name}/{name} is not what was written"
    return None


def flush(path: Path) -> None:
    """Write a file, or the entries of a folder, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
