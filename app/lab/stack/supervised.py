"""Run work while the supervisor checks the lab's processes."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from app.lab.stack.supervisor import StopRequested, Supervisor
from app.lab.stack.waiting import in_background

CHECK_SECONDS = 0.2

Result = TypeVar("Result")


async def supervised(work: Coroutine[Any, Any, Result], supervisor: Supervisor) -> Result:
    """Run `work` and check the supervisor's processes meanwhile, so that the work never waits for a process that died.

    Raise StopRequested, ProcessFailed, and the errors of the work.
    """
    async with in_background(work) as running:
        while not running.done():
            if supervisor.stop_requested:
                raise StopRequested
            supervisor.check()
            await asyncio.wait({running}, timeout=CHECK_SECONDS)
    return running.result()
