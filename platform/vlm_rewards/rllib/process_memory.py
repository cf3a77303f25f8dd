"""Memory that a process keeps for its next tensors."""

import ctypes
import platform

# Of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**30


def keep_freed_memory() -> bool:
    """Let the process use freed memory again instead of giving it back to the system.

    The activations of a minibatch are megabytes each; glibc takes such blocks from the system and gives them back at
    every step, and the first touch of each new page costs more than the arithmetic on it: a third of a training
    minibatch of the home's agent. The process then stays as large as it once was.

    Returns:
        Whether it could be done: only glibc has the switch.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES) and libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
