"""Tells a ledger that is away, or too busy, from one that refuses."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import TemporarilyUnavailable

LOCK_NOT_AVAILABLE = "55P03"  # lock_timeout
# Connection lost, transaction rolled back by the server, out of resources, shut down or cancelled (statement_timeout).
PASSING_SQLSTATES = ("08", "40", "53", "57", LOCK_NOT_AVAILABLE)


class LedgerUnavailable(TemporarilyUnavailable):
    """Nothing was changed, or (when the commit's answer was lost) it is unknown whether it was."""


@contextmanager
def ledger_reachable() -> Iterator[None]:
    """Raises LedgerUnavailable in place of whatever says that Postgres can't be reached now. Other errors pass."""
    try:
        yield
    except PoolTimeout as error:
        raise LedgerUnavailable("The ledger is busy: no connection became free in time.") from error
    except (OSError, asyncpg.PostgresError, DBAPIError) as error:
        if not is_passing(error):
            raise
        raise LedgerUnavailable(f"The ledger can't be reached at the moment ({type(error).__name__}).") from error


def is_passing(error: OSError | asyncpg.PostgresError | DBAPIError) -> bool:
    """Whether trying again later may help. asyncpg's errors arrive as they are while a connection is being made."""
    if isinstance(error, OSError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    origin = error.orig if isinstance(error, DBAPIError) else error
    return (getattr(origin, "sqlstate", None) or "").startswith(PASSING_SQLSTATES)
