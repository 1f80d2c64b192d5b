"""Waits for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable

LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.01, 1.0
PAUSE_FACTOR = 2
"""Times what a look took: waiting must not take the processors from what is waited for."""

Condition = Callable[[], object | Awaitable[object]]


async def until(holds: Condition, *, seconds: float = 60) -> None:
    """Returns as soon as the condition is true. Raises TimeoutError if it isn't within `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            begun = time.monotonic()
            seen = holds()
            if await seen if isawaitable(seen) else seen:
                return
            await asyncio.sleep(_pause_after(begun))


def block_until(holds: Callable[[], object], *, seconds: float = 60) -> None:
    """The same for a test without an event loop."""
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if holds():
            return
        if begun > deadline:
            raise TimeoutError(f"not so after {seconds:g} s")
        time.sleep(_pause_after(begun))


def _pause_after(begun: float) -> float:
    """Seconds until the next look, after one that began then (monotonic)."""
    return min(MOST_PAUSE_SECONDS, max(LEAST_PAUSE_SECONDS, PAUSE_FACTOR * (time.monotonic() - begun)))
