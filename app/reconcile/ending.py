"""Ends tasks that talk to stores, for certain."""

import asyncio
from typing import Any

AGAIN_SECONDS = 0.2


def cancel_for_good(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks, and again until they are done. Call it in their loop; it returns at once.

    One cancellation is not enough: `asyncio.wait_for`, through which redis-py and asyncpg wait, drops it on Python 3.11
    where what it waits for ends in the same moment. 1 of 75 SIGTERMs was lost so.
    """
    unfinished = [task for task in tasks if not task.done()]
    for task in unfinished:
        task.cancel()
    if unfinished:
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, cancel_for_good, *unfinished)
