"""Work that goes on while the lab's processes are looked after."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from app.lab.stack.supervisor import StopRequested, Supervisor

WATCH_SECONDS = 0.2

Result = TypeVar("Result")


async def supervised(work: Coroutine[Any, Any, Result], supervisor: Supervisor) -> Result:
    """Does the work while the supervisor watches its parts: a scenario must not wait for a process that died.

    Raises StopRequested, ProcessFailed, and what the work raises.
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
