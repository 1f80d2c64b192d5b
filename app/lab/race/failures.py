"""The errors that fail the run of one strategy only. They are reported, and the other strategies are still raced."""

import asyncio

import asyncpg
from redis.exceptions import RedisError

from app.errors import AtomicTicketsError

# OSError includes broken connections and TimeoutError. The clients of the stores raise the rest if they are asked while
# a store is away or is starting.
FAILURES = (AtomicTicketsError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, RedisError)


def raise_cancellation(error: BaseException) -> None:
    """Raise CancelledError if the task was cancelled and the clean-up then failed with `error`, which replaced it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


def reason(error: BaseException) -> str:
    """Return the error as one line of text."""
    if isinstance(error, AtomicTicketsError):
        return f"{error.title}: {error.detail}"
    return f"{type(error).__name__}: {str(error) or 'not in time'}"
