"""Tells a stock server that is away from everything else that may go wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import (
    AskError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from app.gate.replies import GateUnavailable

PASSING = (AskError, ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
"""What a server refuses for a while: it is full, or its cluster is just changing."""

log = structlog.get_logger()


@contextmanager
def stock_server_reachable() -> Iterator[None]:
    """Raises GateUnavailable where an error says that Redis can't be asked now; what was sent may have happened.

    A refusal that no time mends, of a command that isn't allowed or a key of another type, is told in the log too: the
    buyer is asked to come back, and somebody has to see to it.
    """
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        if isinstance(error, ResponseError) and not isinstance(error, PASSING):
            log.warning("the stock server refused a command", error=f"{type(error).__name__}: {error}")
        raise GateUnavailable(
            f"The stock server can't be asked just now ({type(error).__name__}); retry with the same key."
        ) from error
