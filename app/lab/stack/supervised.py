"""Runs work while the supervisor watches the lab's processes."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from app.lab.stack.supervisor import StopRequested, Supervisor

WATCH_SECONDS = 0.2

Result = TypeVar("Result")


async def supervised(work: Coroutine[Any, Any, Result], supervisor: Supervisor) -> Result:
    """Run `work` while the supervisor watches its parts, so that the work never waits for a process that died.

    Raise StopRequested, ProcessFailed, and the errors of the work.
    """
    running = asyncio.create_task(work)
    try:
        while not running.done():
            if supervisor.stop_requested:
                raise StopRequested
            supervisor.watch()
            await asyncio.wait({running}, timeout=WATCH_SECONDS)
    finally:
        running.cancel()
        await asyncio.wait({running})
    return running.result()
