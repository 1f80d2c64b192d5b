"""Waits for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.02, 1.0
PAUSE_FACTOR = 2  # times what a look took: who waits must not take the processors from those who are waited for


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 60) -> None:
    """Returns as soon as the condition holds; raises TimeoutError when it doesn't within `seconds`."""
    async with asyncio.timeout(seconds):
        begun = time.monotonic()
        while not await condition():
            pause = PAUSE_FACTOR * (time.monotonic() - begun)
            await asyncio.sleep(min(MOST_PAUSE_SECONDS, max(LEAST_PAUSE_SECONDS, pause)))
            begun = time.monotonic()
