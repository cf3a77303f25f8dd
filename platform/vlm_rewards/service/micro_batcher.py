"""Batches of whatever waits, one at a time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass
class _Waiting(Generic[Item, Answer]):
    item: Item
    weight: int
    answer: "asyncio.Future[Answer]"


class MicroBatcher(Generic[Item, Answer]):
    """Answers items in batches: while one is worked at, what comes waits, and is the next as far as it fits.

    So batches grow with the load, and a lone caller never waits for company. Items keep their order of arrival: one
    that does not fit is not overtaken by smaller ones. Whoever gives up takes nobody's place. Used on one event loop.

    Ray Serve's own `serve.batch` closes its next batch at the first item, while the batch before is still running, and
    so sends batches off that are nearly empty under load.
    """

    def __init__(
        self, work: Callable[[list[Item]], Awaitable[Sequence[Answer]]], max_weight: int, wait_s: float = 0.0
    ) -> None:
        """Make a batcher without items.

        Args:
            work: Answers a batch, an answer an item in their order; what it raises goes to all of them. It is never
                called again before it is done.
            max_weight: Most that the items of a batch may weigh together.
            wait_s: Seconds that a batch which is not full waits for more after work could begin.
        """
        self._work = work
        self._max_weight = max_weight
        self._wait_s = wait_s
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._arrived = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, item: Item, weight: int) -> Answer:
        """Wait for the answer to an item, behind those that came before.

        Args:
            item: What to answer.
            weight: What it counts for, at most a full batch.
        """
        waiting: _Waiting[Item, Answer] = _Waiting(item, weight, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        if self._worker is None:
            # Begins after this turn of the event loop: items that came in the same turn go together.
            self._worker = asyncio.create_task(self._work_off())
        return await waiting.answer

    async def _work_off(self) -> None:
        try:
            while True:
                await self._company()
                batch = self._next_batch()
                if not batch:
                    return
                await self._answer(batch)
        finally:
            self._worker = None

    async def _answer(self, batch: list[_Waiting[Item, Answer]]) -> None:
        try:
            answers = await self._work([waiting.item for waiting in batch])
        except Exception as error:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():  # it is where its caller has given up
                waiting.answer.set_result(answer)

    async def _company(self) -> None:
        """Wait until a batch is full, or for as long as one may wait."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_s
        while self._wait_s and sum(w.weight for w in self._waiting if not w.answer.done()) < self._max_weight:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), deadline - loop.time())
            except TimeoutError:
                return

    def _next_batch(self) -> list[_Waiting[Item, Answer]]:
        batch: list[_Waiting[Item, Answer]] = []
        room = self._max_weight
        while self._waiting and (self._waiting[0].answer.done() or self._waiting[0].weight <= room):
            waiting = self._waiting.popleft()
            if not waiting.answer.done():
                room -= waiting.weight
                batch.append(waiting)
        return batch
