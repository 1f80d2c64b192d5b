"""Distinguish a ledger that is away or too busy from one that refuses a statement."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import TemporarilyUnavailable

LOCK_NOT_AVAILABLE = "55P03"  # lock_timeout
# In this order: connection lost, transaction rolled back by the server, out of resources, shut down or cancelled
# (statement_timeout), lock not available.
TRANSIENT_SQLSTATES = ("08", "40", "53", "57", LOCK_NOT_AVAILABLE)


class LedgerUnavailable(TemporarilyUnavailable):
    """Postgres is away or too busy. Nothing was changed, or it is unknown if the answer to the commit was lost."""


@contextmanager
def ledger_reachable() -> Iterator[None]:
    """Raise LedgerUnavailable in place of an error that means that Postgres can't be reached now. Pass other errors."""
    try:
        yield
    except PoolTimeout as error:
        raise LedgerUnavailable("The ledger is busy: no connection became free in time.") from error
    except (OSError, asyncpg.PostgresError, DBAPIError) as error:
        if not is_transient(error):
            raise
        raise LedgerUnavailable(f"The ledger can't be reached at the moment ({type(error).__name__}).") from error


def is_transient(error: OSError | asyncpg.PostgresError | DBAPIError) -> bool:
    """Return whether a later retry may succeed.

    While a connection is being opened, errors of asyncpg arrive without SQLAlchemy's wrapper.
    """
    if isinstance(error, OSError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    origin = error.orig if isinstance(error, DBAPIError) else error
    return (getattr(origin, "sqlstate", None) or "").startswith(TRANSIENT_SQLSTATES)
