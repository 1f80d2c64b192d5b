"""Waits for a condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 60) -> None:
    """Returns as soon as the condition holds; raises TimeoutError when it doesn't within `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  the condition lives in another process
            await asyncio.sleep(0.02)
