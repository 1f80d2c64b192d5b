"""A process ends on request, even if a task loses a cancellation."""

import asyncio
from contextlib import suppress

from app.cancellation import cancel_until_done


async def drops_cancellations(count: int) -> None:
    """Ignore this many cancellations, as a library does that returns its result instead, and then go on."""
    for _ in range(count):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_dropped_cancellation_is_followed_by_another() -> None:
    task = asyncio.create_task(drops_cancellations(2))
    await asyncio.sleep(0)
    cancel_until_done(task)
    await asyncio.wait({task}, timeout=20)
    assert task.cancelled()


async def test_one_cancellation_alone_may_be_lost() -> None:
    """The control: after one cancellation that was lost, the task goes on."""
    task = asyncio.create_task(drops_cancellations(1))
    await asyncio.sleep(0)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task}, timeout=20)
