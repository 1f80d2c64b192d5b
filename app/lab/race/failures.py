"""What may go wrong in one strategy's run, and is told as that strategy's failure: the others are still raced."""

import asyncpg
from redis.exceptions import RedisError

from app.errors import AtomicTicketsError

# Beside our own errors: a connection that breaks (a wait that ends is one of these too), and what the stores' clients
# raise when they are asked at the wrong moment.
FAILURES = (AtomicTicketsError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, RedisError)


def reason(error: BaseException) -> str:
    """A line that says why."""
    if isinstance(error, AtomicTicketsError):
        return f"{error.title}: {error.detail}"
    return f"{type(error).__name__}: {str(error) or 'not in time'}"
