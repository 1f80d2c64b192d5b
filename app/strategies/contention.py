"""Trying again where others were faster. Bounded, with a random pause; what is exhausted is never called sold out."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.errors import TemporarilyUnavailable
from app.strategies.meters import RETRIES

TRIES = 8
FIRST_PAUSE_SECONDS = 0.005  # about one small transaction
LONGEST_PAUSE_SECONDS = 0.25

Result = TypeVar("Result")


class Contention(TemporarilyUnavailable):
    """Every try met somebody faster, or a lock was not free in time. Nothing was taken; tickets may be left."""

    slug = "contention"
    title = "Contention"


class Conflict(Exception):
    """Somebody was faster, and nothing was taken: the whole attempt may be made again. `why`: a word for the meter."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


async def retried(strategy: str, attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Makes the attempt until it raises no Conflict. Raises Contention after TRIES of them.

    The pause is drawn anew from the whole of a doubling span, so that those who collided once don't keep step:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    for turn in range(TRIES):
        try:
            return await attempt()
        except Conflict as conflict:
            RETRIES.labels(strategy, conflict.why).inc()
        if turn + 1 < TRIES:
            span_seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**turn)
            await asyncio.sleep(random.uniform(0, span_seconds))  # noqa: S311  spread, not secrecy
    raise Contention(f"Too many purchases of this sale at once: {TRIES} tries failed, and nothing was taken.")
