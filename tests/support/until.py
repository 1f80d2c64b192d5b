"""Functions that wait for a condition instead of a fixed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable

LEAST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.01, 1.0
PAUSE_FACTOR = 2
"""The pause between two checks is this many times as long as a check took, so that checks do not load the machine."""

Condition = Callable[[], object | Awaitable[object]]


async def until(holds: Condition, *, seconds: float = 60) -> None:
    """Return as soon as the condition is true. Raise TimeoutError if it is not within `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            begun = time.monotonic()
            result = holds()
            if await result if isawaitable(result) else result:
                return
            await asyncio.sleep(_pause_after(begun))


def block_until(holds: Callable[[], object], *, seconds: float = 60) -> None:
    """Do the same as `until` in a test without an event loop."""
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if holds():
            return
        if begun > deadline:
            raise TimeoutError(f"not so after {seconds:g} s")
        time.sleep(_pause_after(begun))


def _pause_after(begun: float) -> float:
    """Return the seconds until the next check, after one that began at `begun` on the monotonic clock."""
    return min(MAX_PAUSE_SECONDS, max(LEAST_PAUSE_SECONDS, PAUSE_FACTOR * (time.monotonic() - begun)))
