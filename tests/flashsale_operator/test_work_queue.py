"""The work queue: a sale is never reconciled twice at once, and no sale blocks the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
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


async def test_a_sale_is_never_reconciled_twice_at_once_and_is_requeued_if_added_meanwhile() -> None:
    at_once: Counter[str] = Counter()
    reconciled: Counter[str] = Counter()
    most = 0
    may_end = asyncio.Event()

    async def reconcile(name: str) -> float | None:
        nonlocal most
        at_once[name] += 1
        most = max(most, at_once[name])
        await may_end.wait()
        at_once[name] -= 1
        reconciled[name] += 1
        return None

    queue = WorkQueue(reconcile, at_once=4)
    async with running(queue):
        queue.add("drop")
        await until(lambda: at_once["drop"] >= 1)
        for _ in range(5):
            queue.add("drop")
        may_end.set()
        await until(lambda: reconciled["drop"] >= 2)
    assert (reconciled["drop"], most) == (2, 1)


async def test_no_more_sales_are_reconciled_at_once_than_allowed() -> None:
    inside = most = done = 0

    async def reconcile(_: str) -> float | None:
        nonlocal inside, most, done
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)  # lets others in, if they may
        inside -= 1
        done += 1
        return None

    queue = WorkQueue(reconcile, at_once=3)
    async with running(queue):
        for number in range(50):
            queue.add(f"drop-{number}")
        await until(lambda: done >= 50)
    assert most == 3


async def test_a_sale_that_fails_is_retried_and_does_not_block_the_others() -> None:
    reconciled: Counter[str] = Counter()

    async def reconcile(name: str) -> float | None:
        reconciled[name] += 1
        if name == "broken" and reconciled[name] < 3:
            raise RuntimeError("broken")
        return None if name == "broken" else 0.05

    queue = WorkQueue(reconcile, at_once=2)
    async with running(queue):
        queue.add("broken")
        queue.add("fine")
        await until(lambda: reconciled["broken"] >= 3)
    assert reconciled["fine"] > 3


async def test_a_cancelled_reconciliation_is_repeated_by_the_next_run() -> None:
    began = 0

    async def reconcile(_: str) -> float | None:
        nonlocal began
        began += 1
        await asyncio.Event().wait()
        return None

    queue = WorkQueue(reconcile, at_once=2)
    queue.add("drop")
    async with running(queue):
        await until(lambda: began == 1)
    async with running(queue):
        await until(lambda: began == 2)
    assert began == 2
