"""Work on threads that takes turns, ends at a deadline, and is dropped when its caller leaves."""

import asyncio
import time
from collections.abc import Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from fastapi import Request


from vlm_rewards.errors import RewardTimeoutError
from vlm_rewards.service.http.admission import Share

T = TypeVar("T")

# Seconds of one turn: what a small request waits for beside each large one.
_TURN_S = 0.05

# Seconds that the work's own, better-worded timeouts have before the one here.
_GRACE_S = 1.0


class ClientGoneError(Exception):
    """The caller has closed the connection; no answer can reach it."""


class Steps:
    """Drives generators on a few threads, a turn each, so that no request holds a thread for long."""

    def __init__(self, threads: int = 2) -> None:
        """Make the threads' pool; they start when needed.

        Args:
            threads: Most at work at the same time.
        """
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="reward-gateway-read")

    async def finish(self, steps: Generator[None, None, T], share: Share, timeout_s: float) -> T:
        """Run a generator to its end and return its value.

        Args:
            steps: Each step is short. What it raises is raised here.
            share: Share of the request that waits for it; once it is closed no further step begins.
            timeout_s: Seconds for all steps, and for the turns of others between them.

        Raises:
            RewardTimeoutError: It did not end in time.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    done, value = await loop.run_in_executor(self._pool, _turn, steps, share)
                    if done:
                        return cast(T, value)
        except TimeoutError as error:
            raise RewardTimeoutError(
                f"the request was not read in {timeout_s:.3g} s; send fewer or smaller images, or raise the timeout"
            ) from error


def _turn(steps: Generator[None, None, T], share: Share) -> tuple[bool, Any]:
    """Return whether the generator has ended, and its value."""
    with share.working():
        end = time.monotonic() + _TURN_S
        while time.monotonic() < end:
            try:
                next(steps)
            except StopIteration as stop:
                return True, stop.value
            share.check()
        return False, None


async def while_connected(request: Request, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """Wait for work as long as there is somebody to answer.

    Args:
        request: Whose body has been read.
        work: Cancelled if its caller leaves, or it does not end in time.
        timeout_s: Seconds by which it should have ended by itself.

    Raises:
        ClientGoneError: The caller has left.
        RewardTimeoutError: It did not end in time.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait((task, gone), timeout=timeout_s + _GRACE_S, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise ClientGoneError
        raise RewardTimeoutError(
            f"no answer in {timeout_s:.3g} s; send fewer frames in one request, or raise the timeout"
        )
    finally:
        for waiting in (task, gone):
            waiting.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
