"""What goes into which batch, and what becomes of those who wait."""

import asyncio

import pytest

from vlm_rewards.service.micro_batcher import MicroBatcher


class Work:
    """Answers each item with its square, when told to."""

    def __init__(self):
        self.batches = []
        self.at_work = self.most_at_work = 0
        self.may_end = asyncio.Event()

    async def __call__(self, items):
        self.batches.append(list(items))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        await self.may_end.wait()
        self.at_work -= 1
        if "wrong" in items:
            raise ValueError("a wrong item")
        return [item * item for item in items]


async def turns(number=8):
    for _ in range(number):
        await asyncio.sleep(0)


def run(scenario, max_weight=64, wait_s=0.0):
    async def main():
        work = Work()
        await scenario(MicroBatcher(work, max_weight, wait_s), work)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_lone_caller_waits_for_nobody():
    async def scenario(batcher, work):
        work.may_end.set()
        assert await batcher.ask(3, 1) == 9
        assert await batcher.ask(4, 1) == 16
        assert work.batches == [[3], [4]]

    run(scenario)


def test_what_comes_meanwhile_fills_the_next_batches_in_order_and_nothing_overtakes():
    async def scenario(batcher, work):
        first = asyncio.create_task(batcher.ask(0, 64))
        await turns()
        # 64 more do not fit behind 16, though the 20 after them would.
        later = [asyncio.create_task(batcher.ask(n, weight)) for n, weight in enumerate((32, 16, 64, 40, 20, 5), 1)]
        await turns()
        assert work.batches == [[0]]
        work.may_end.set()
        assert await asyncio.gather(first, *later) == [n * n for n in range(7)]
        assert work.batches == [[0], [1, 2], [3], [4, 5], [6]]
        assert work.most_at_work == 1

    run(scenario)


def test_items_of_one_turn_of_the_loop_go_together():
    async def scenario(batcher, work):
        work.may_end.set()
        await asyncio.gather(*(batcher.ask(n, 16) for n in range(5)))
        assert work.batches == [[0, 1, 2, 3], [4]]

    run(scenario)


def test_who_gives_up_is_not_worked_at_and_takes_nobodys_place():
    async def scenario(batcher, work):
        first = asyncio.create_task(batcher.ask(1, 64))
        await turns()
        impatient = [asyncio.create_task(batcher.ask(n, 64)) for n in (2, 3)]
        patient = asyncio.create_task(batcher.ask(4, 10))
        await turns()
        for task in impatient:
            task.cancel()
        await turns()
        work.may_end.set()
        assert await asyncio.gather(first, patient) == [1, 16]
        assert work.batches == [[1], [4]]

    run(scenario)


def test_who_gives_up_during_the_work_leaves_the_others_their_answers():
    async def scenario(batcher, work):
        both = [asyncio.create_task(batcher.ask(n, 1)) for n in (5, 6)]
        await turns()
        both[0].cancel()
        await turns()
        work.may_end.set()
        assert await both[1] == 36
        assert await batcher.ask(7, 1) == 49

    run(scenario)


def test_the_only_caller_gives_up_before_its_batch_begins_and_the_next_is_answered():
    async def scenario(batcher, work):
        work.may_end.set()
        task = asyncio.create_task(batcher.ask(1, 1))
        await asyncio.sleep(0)  # it has asked, and nothing has begun
        task.cancel()
        await turns()
        assert work.batches == []
        assert await batcher.ask(2, 1) == 4

    run(scenario)


def test_what_the_work_raises_goes_to_its_batch_alone():
    async def scenario(batcher, work):
        work.may_end.set()
        results = await asyncio.gather(*(batcher.ask(i, 32) for i in ("wrong", 2, 3)), return_exceptions=True)
        assert [type(result) for result in results] == [ValueError, ValueError, int]
        assert results[2] == 9

    run(scenario)


@pytest.mark.parametrize(("weights", "batches"), [((32, 32), [[0, 1]]), ((32, 16), [[0, 1]])], ids=["full", "not full"])
def test_a_batch_may_wait_for_more(weights, batches):
    async def scenario(batcher, work):
        work.may_end.set()
        loop = asyncio.get_running_loop()
        start = loop.time()
        first = asyncio.create_task(batcher.ask(0, weights[0]))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(batcher.ask(1, weights[1]))
        await asyncio.gather(first, second)
        assert work.batches == batches
        # The full one goes at once, the other when it has waited.
        assert (loop.time() - start < 0.5) == (sum(weights) == 64)

    run(scenario, wait_s=0.6)
