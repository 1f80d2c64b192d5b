"""Ways to wait for other processes. Every wait has a limit."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from app.cancellation import cancel_until_done
from app.errors import AtomicTicketsError

Result = TypeVar("Result")

TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.02


class NotInTime(AtomicTicketsError):
    """Something that was waited for did not happen in time."""

    status, slug, title = 504, "not-in-time", "Not in Time"


def never() -> bool:
    return False


async def poll(
    read: Callable[[], Awaitable[Result | None]], *, seconds: float, unless: Callable[[], bool] = never
) -> Result | None:
    """Call `read` until it returns something else than None, and return that.

    Return None after `seconds`, or as soon as `unless` returns True.
    """
    deadline = time.monotonic() + seconds
    while (found := await read()) is None and not unless() and time.monotonic() < deadline:  # noqa: ASYNC110  an event of another process
        await asyncio.sleep(POLL_SECONDS)
    return found


async def repeat(action: Callable[[], Awaitable[None]], *, every_seconds: float) -> None:
    """Call `action`, pause for `every_seconds`, and so on until this is cancelled."""
    while True:
        await action()
        await asyncio.sleep(every_seconds)


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, Result]) -> AsyncIterator["asyncio.Task[Result]"]:
    """Run `work` while the block runs, and cancel it at its end until it has ended, so its clean-up must be short.

    If the work failed before, raise its error, even if the block failed too: that may only be a consequence.
    """
    task = asyncio.create_task(work)
    failed = False
    try:
        yield task
    finally:
        failed = task.done() and not task.cancelled() and task.exception() is not None
        cancel_until_done(task)
        await asyncio.wait({task})
        if failed:
            task.result()
    if not task.cancelled():
        task.result()
