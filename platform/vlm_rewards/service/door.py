"""Where requests wait while a batch is being encoded."""

import asyncio
from collections import deque


class Door:
    """Lets in, in order of arrival, what fills one batch, and keeps the rest outside until that batch is done.

    `serve.batch` closes its next batch as soon as it has one request, while the batch before is still running. Held
    back here, requests reach it all at once, and each batch is as full as what waits allows. Used on one event loop.
    """

    def __init__(self, max_batch_frames: int) -> None:
        """Makes an open door.

        Args:
            max_batch_frames: frames of a full batch.
        """
        self._max_batch_frames = max_batch_frames
        self._room = max_batch_frames
        self._is_open = True
        self._outside: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, frames: int) -> None:
        """Waits for a place in a batch. Whoever enters must at once ask for the batch, or call `open`.

        Args:
            frames: that the request counts for, at most a full batch.
        """
        if self._is_open and not self._outside and frames <= self._room:
            self._room -= frames
            return
        turn = asyncio.get_running_loop().create_future()
        self._outside.append((frames, turn))
        await turn

    def close(self) -> None:
        """A batch begins: who comes now waits for the next."""
        self._is_open = False

    def open(self) -> None:
        """The batch is done: the first of those outside come in, as many as fill the next."""
        self._is_open = True
        self._room = self._max_batch_frames
        while self._outside and (self._outside[0][1].cancelled() or self._outside[0][0] <= self._room):
            frames, turn = self._outside.popleft()
            if not turn.cancelled():
                self._room -= frames
                turn.set_result(None)
