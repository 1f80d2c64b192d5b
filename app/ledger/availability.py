"""Distinguish a ledger that is away or too busy from one that refuses a statement."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import TemporarilyUnavailable

LOCK_NOT_AVAILABLE = "55P03"  # lock_timeout
READ_ONLY = "25006"
# In this order: connection lost, transaction rolled back by the server, out of resources, shut down or cancelled
# (statement_timeout), lock not available, read-only: a standby, or a server whose operator has stopped all writes.
TRANSIENT_SQLSTATES = ("08", "40", "53", "57", LOCK_NOT_AVAILABLE, READ_ONLY)


class ReadOnlyLedger(ConnectionError):
    """No server of the ledger takes writes now. An OSError, like that of a server that can't be reached."""


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
        if is_read_only(error):
            raise LedgerUnavailable("The ledger is read-only at the moment.") from error
        raise LedgerUnavailable(f"The ledger can't be reached at the moment ({type(error).__name__}).") from error


def is_transient(error: OSError | asyncpg.PostgresError | DBAPIError) -> bool:
    """Return whether a later retry may succeed.

    While a connection is being opened, errors of asyncpg arrive without SQLAlchemy's wrapper.
    """
    if isinstance(error, OSError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return sqlstate(error).startswith(TRANSIENT_SQLSTATES)


def is_read_only(error: OSError | asyncpg.PostgresError | DBAPIError) -> bool:
    """Return whether the ledger can be reached and takes no writes."""
    return isinstance(error, ReadOnlyLedger) or sqlstate(error) == READ_ONLY


def sqlstate(error: OSError | asyncpg.PostgresError | DBAPIError) -> str:
    """Return the five-character SQLSTATE of the error, or "" if it is not the server's."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None) or ""
