"""Who is let in when, in order and as many as fill a batch."""

import asyncio

from vlm_rewards.service.door import Door


async def arrive(door, sizes):
    """Sends requests of so many frames to the door; returns their tasks, and the list of those that are in."""
    inside = []

    async def enter(number, frames):
        await door.enter(frames)
        inside.append(number)

    tasks = [asyncio.create_task(enter(number, frames)) for number, frames in enumerate(sizes)]
    await asyncio.sleep(0)
    return tasks, inside


async def opened(door):
    door.open()
    for _ in range(3):
        await asyncio.sleep(0)


def test_what_fills_a_batch_enters_and_the_rest_follows_batch_by_batch_in_order():
    async def scenario():
        door = Door(64)
        _, inside = await arrive(door, [32, 32, 16, 64, 40, 20])
        assert inside == [0, 1]
        door.close()
        await opened(door)
        assert inside == [0, 1, 2]  # 64 more do not fit, and nobody overtakes them
        door.close()
        await opened(door)
        assert inside == [0, 1, 2, 3]
        door.close()
        await opened(door)
        assert inside == [0, 1, 2, 3, 4, 5]

    asyncio.run(scenario())


def test_nobody_enters_while_a_batch_runs():
    async def scenario():
        door = Door(64)
        door.close()
        _, inside = await arrive(door, [1])
        assert inside == []
        await opened(door)
        assert inside == [0]

    asyncio.run(scenario())


def test_who_gives_up_outside_takes_nobodys_place():
    async def scenario():
        door = Door(64)
        door.close()
        tasks, inside = await arrive(door, [64, 64, 10])
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.sleep(0)
        await opened(door)
        assert inside == [2]

    asyncio.run(scenario())
