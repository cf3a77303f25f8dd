"""Work that a signal must not cut in two: a write to a store, the start of a process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def unbroken() -> Iterator[None]:
    """Let SIGTERM and SIGINT wait until the block, or the function that this decorates, is done.

    Their handlers raise, wherever the program is. Within a write to a database that leaves the transaction open and the
    file locked, also to this process, which then cannot say how the run ended; within the making of a run nobody knows
    the run; within the start of a spawned process that process is never told its work, and complains. A second signal
    is obeyed at once: what the block waits for may be hanging.

    In other threads than the main one, where handlers never run, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    waiting: list[tuple[int, FrameType | None]] = []

    def wait(number: int, frame: FrameType | None) -> None:
        if waiting:
            handlers[number](number, frame)
        waiting.append((number, frame))

    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, wait)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)
        for number, frame in waiting[:1]:
            handlers[number](number, frame)
