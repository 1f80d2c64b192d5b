"""Classify failures of the drain: a store that is away fails every order alike, while a poison order fails alone."""

from asyncpg.exceptions import InterfaceError, PostgresError
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.errors import TemporarilyUnavailable
from app.ledger.bookings import UnknownRound

# SQLSTATE classes. 22: data exception (such as a NUL in a text), 23: integrity constraint violation. All other classes
# (08 connection, 40 rollback, 53 resources, 57 intervention, 58 system) say nothing about the order, and an order is
# never charged with them.
POISON_CLASSES = frozenset({"22", "23"})

# PostgresError and InterfaceError are asyncpg's own. SQLAlchemy passes on, unwrapped, the errors that a server reports
# while a connection is being made (57P03 during its start-up, 53300 if it has too many connections).
STORE_ERRORS = (
    RedisError,
    SQLAlchemyError,
    PostgresError,
    InterfaceError,
    TemporarilyUnavailable,
    OSError,
    TimeoutError,
)
"""The errors that a read, a booking or an acknowledgement raises if a store is away, slow or restarting, or if the
connection is lost."""


def sqlstate(error: DBAPIError) -> str:
    """Return the five-character SQLSTATE of the error, or "" if the driver itself failed."""
    return getattr(error.orig, "sqlstate", None) or ""


def is_poison(error: Exception) -> bool:
    """Return True if the batch itself was refused, so that one of its orders must be at fault."""
    return isinstance(error, UnknownRound) or (isinstance(error, DBAPIError) and sqlstate(error)[:2] in POISON_CLASSES)


def reason(error: Exception) -> str:
    """Return the error as one line of printable ASCII, which the database can store whatever the order contained.

    The line has at most 500 characters.
    """
    text = f"{sqlstate(error)} {error.orig}" if isinstance(error, DBAPIError) else str(error)
    return "".join(character if " " <= character <= "~" else "?" for character in text)[:500]
