"""Whose fault is it? A store that is away fails every order alike; a poison order fails alone."""

from asyncpg.exceptions import InterfaceError, PostgresError
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.errors import TemporarilyUnavailable
from app.ledger.bookings import UnknownRound

# 22: data exception (a NUL in a text), 23: integrity constraint violation. Every other class (08 connection,
# 40 rollback, 53 resources, 57 intervention, 58 system) says nothing about the order, and never counts against it.
POISON_CLASSES = frozenset({"22", "23"})

# asyncpg's own two: SQLAlchemy lets through, unwrapped, what a server says to a connection that is only being made
# (57P03 while it starts up, 53300 with too many connections).
STORE_ERRORS = (
    RedisError,
    SQLAlchemyError,
    PostgresError,
    InterfaceError,
    TemporarilyUnavailable,
    OSError,
    TimeoutError,
)
"""What reading, booking and acknowledging raise when a store is away, slow, restarting, or lost the connection."""


def sqlstate(error: DBAPIError) -> str:
    """The five characters of the database's verdict, or nothing where the driver itself failed."""
    return getattr(error.orig, "sqlstate", None) or ""


def is_poison(error: Exception) -> bool:
    """True where the batch itself was refused, so that one of its orders must be at fault."""
    return isinstance(error, UnknownRound) or (isinstance(error, DBAPIError) and sqlstate(error)[:2] in POISON_CLASSES)


def reason(error: Exception) -> str:
    """One line for a person, in visible ASCII: what the database can store whatever the order contained."""
    told = f"{sqlstate(error)} {error.orig}" if isinstance(error, DBAPIError) else str(error)
    return "".join(letter if " " <= letter <= "~" else "?" for letter in told)[:500]
