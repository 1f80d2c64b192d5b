"""Waiting for what other processes do. Every wait has an end."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from app.cancellation import cancel_until_done
from app.errors import AtomicTicketsError

Answer = TypeVar("Answer")

PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.02


class NotInTime(AtomicTicketsError):
    status, slug, title = 504, "not-in-time", "Not in Time"


def never() -> bool:
    return False


async def poll(
    look: Callable[[], Awaitable[Answer | None]], *, seconds: float, unless: Callable[[], bool] = never
) -> Answer | None:
    """Call `look` until it returns something, and return that; None after `seconds`, or once `unless` is true."""
    deadline = time.monotonic() + seconds
    while (found := await look()) is None and not unless() and time.monotonic() < deadline:  # noqa: ASYNC110  in others
        await asyncio.sleep(LOOK_SECONDS)
    return found


async def repeat(look: Callable[[], Awaitable[None]], *, every_seconds: float) -> None:
    """Call `look` again and again until this is cancelled."""
    while True:
        await look()
        await asyncio.sleep(every_seconds)


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, Answer]) -> AsyncIterator["asyncio.Task[Answer]"]:
    """Do `work` while the block runs, and cancel it then. Raise what it raised, if it failed before."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        cancel_until_done(task)
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
