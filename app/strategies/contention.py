"""Bounded retries, with random pauses, of purchases that lost a race. Running out of tries is not sold out."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.errors import TemporarilyUnavailable
from app.strategies.meters import RETRIES

TRIES = 8
FIRST_PAUSE_SECONDS = 0.005  # about the duration of one small transaction
MAX_PAUSE_SECONDS = 0.25

Result = TypeVar("Result")


class Contention(TemporarilyUnavailable):
    """Every try lost a race, or a lock was not free in time. Nothing was taken, and tickets may be left."""

    slug = "contention"
    title = "Contention"


class Conflict(Exception):
    """Another purchase was faster and nothing was taken, so the whole attempt may be repeated.

    `reason`: a word for the label of the retry counter.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def retried(strategy: str, attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat the attempt until it raises no Conflict, and return its result. Raise Contention after TRIES conflicts.

    Each pause is drawn from the whole of a span that doubles, so that purchases that collided once do not stay in step:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    for turn in range(TRIES):
        try:
            return await attempt()
        except Conflict as conflict:
            RETRIES.labels(strategy, conflict.reason).inc()
        if turn + 1 < TRIES:
            span_seconds = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**turn)
            await asyncio.sleep(random.uniform(0, span_seconds))  # noqa: S311  for spreading, not for secrecy
    raise Contention(
        f"Too many purchases of this sale at once: {TRIES} tries failed and nothing was taken. Retry with the same key."
    )
