"""Whether a replay fits into memory: asked before anything is allocated."""

from pathlib import Path

import psutil

from vlm_rewards.errors import ConfigError

# Where the kernel says how much a container may use, in version 2 and version 1 of control groups.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# Of what is there, the share that a replay may take: the system, Ray and the networks need the rest.
_SHARE = 0.8


def check_fits(size: int, capacity: int, available: int | None = None) -> str:
    """Return a replay's size in words, such as "0.77 GB of 16.1 GB memory".

    Args:
        size: Bytes of the replay.
        capacity: Observations in it.
        available: Bytes that are there; None asks the machine, or the container that this process is in.

    Raises:
        ConfigError: It takes more than four fifths of what is there.
    """
    there = memory_available() if available is None else available
    if size > _SHARE * there:
        raise ConfigError(
            f"the replay needs {size / 1e9:.2f} GB, and of this machine's memory {there / 1e9:.2f} GB are available: "
            f"lower algorithm.replay_capacity from {capacity:,} to {int(capacity * _SHARE * there / size):,} at most, "
            "or use smaller observations"
        )
    return f"{size / 1e9:.2f} GB of {there / 1e9:.2f} GB memory"


def memory_available() -> int:
    """Return the bytes that this process can still have, a container's limit considered."""
    available = int(psutil.virtual_memory().available)
    for path in _LIMITS:
        try:
            limit = int(path.read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
        available = min(available, limit)
    return available
