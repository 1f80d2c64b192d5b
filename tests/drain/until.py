"""Waits for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.02, 1.0
PAUSE_FACTOR = 2
"""Times what a look took: who waits must not take the processors from those who are waited for, and kubectl alone is
0.3 s of CPU."""


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 60) -> None:
    """Returns as soon as the condition holds; raises TimeoutError when it doesn't within `seconds`."""
    async with asyncio.timeout(seconds):
        begun = time.monotonic()
        while not await condition():
            await asyncio.sleep(pause_after(begun))
            begun = time.monotonic()


def pause_after(begun: float) -> float:
    """Seconds until the next look, after one that began then (monotonic)."""
    return min(MOST_PAUSE_SECONDS, max(LEAST_PAUSE_SECONDS, PAUSE_FACTOR * (time.monotonic() - begun)))
