"""Ends tasks that talk to stores, for certain."""

import asyncio
from typing import Any

AGAIN_SECONDS = 0.2


def cancel_for_good(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks, and again until they are done. Call it in their loop; it returns at once.

    One cancellation is not enough: in 1 of 75 SIGTERMs the reconciliation went on, since a library below it (asyncpg's
    `wait_for` on Python 3.11 is one that does) returns a result that arrives in the same moment, and drops the other.
    """
    unfinished = [task for task in tasks if not task.done()]
    for task in unfinished:
        task.cancel()
    if unfinished:
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, cancel_for_good, *unfinished)
