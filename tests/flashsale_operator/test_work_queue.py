"""The turns that the queue gives to sales: each in time, no two at once for a sale, and none that blocks the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from flashsale_operator.work_queue import WorkQueue
from tests.support.until import until


@asynccontextmanager
async def running(queue: WorkQueue) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


def reached(count: Callable[[], int], at_least: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return count() >= at_least

    return holds


async def test_a_sale_never_has_two_turns_at_once_and_no_poke_is_lost() -> None:
    at_once: Counter[str] = Counter()
    turns: Counter[str] = Counter()
    most = 0
    let_go = asyncio.Event()

    async def turn(name: str) -> float | None:
        nonlocal most
        at_once[name] += 1
        most = max(most, at_once[name])
        await let_go.wait()
        at_once[name] -= 1
        turns[name] += 1
        return None

    queue = WorkQueue(turn, at_once=4)
    async with running(queue):
        queue.add("drop")
        await until(reached(lambda: at_once["drop"], 1))
        for _ in range(5):
            queue.add("drop")
        let_go.set()
        await until(reached(lambda: turns["drop"], 2))
    assert (turns["drop"], most) == (2, 1)


async def test_no_more_than_so_many_at_once() -> None:
    inside = most = done = 0

    async def turn(_: str) -> float | None:
        nonlocal inside, most, done
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        done += 1
        return None

    queue = WorkQueue(turn, at_once=3)
    async with running(queue):
        for number in range(50):
            queue.add(f"drop-{number}")
        await until(reached(lambda: done, 50))
    assert most == 3


async def test_one_that_fails_is_tried_again_and_the_others_have_their_turns() -> None:
    turns: Counter[str] = Counter()

    async def turn(name: str) -> float | None:
        turns[name] += 1
        if name == "broken" and turns[name] < 3:
            raise RuntimeError("broken")
        return None if name == "broken" else 0.05

    queue = WorkQueue(turn, at_once=2)
    async with running(queue):
        queue.add("broken")
        queue.add("fine")
        await until(reached(lambda: turns["broken"], 3))
    assert turns["fine"] > 3


async def test_a_turn_that_was_cut_short_is_taken_again_by_the_next_run() -> None:
    began = 0

    async def turn(_: str) -> float | None:
        nonlocal began
        began += 1
        await asyncio.Event().wait()
        return None

    queue = WorkQueue(turn, at_once=2)
    queue.add("drop")
    for run in (1, 2):
        async with running(queue):
            await until(reached(lambda: began, run))
    assert began == 2
