"""Cancel tasks that talk to stores, reliably."""

import asyncio
from typing import Any

AGAIN_SECONDS = 0.2


def cancel_until_done(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks, again and again until they are done. Call it in their event loop; it returns at once.

    One cancellation is not enough. `asyncio.wait_for`, which redis-py and asyncpg use, drops it on Python 3.11 if the
    awaited operation ends at the same moment. 1 of 75 SIGTERMs was lost in this way.
    """
    unfinished = [task for task in tasks if not task.done()]
    for task in unfinished:
        task.cancel()
    if unfinished:
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, cancel_until_done, *unfinished)
