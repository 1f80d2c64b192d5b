"""Tells a stock server that is away from everything else that may go wrong."""

import time
from collections import OrderedDict
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
from app.sales.recent import remember

PASSING = (AskError, ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
"""What a server refuses for a while: it is full, or its cluster is just changing."""
TELL_SECONDS = 60.0  # until the same refusal is told again: there may be hundreds a second
MOST_TOLD = 100

log = structlog.get_logger()
told_at: OrderedDict[str, float] = OrderedDict()
"""Seconds, monotonic, by what was refused."""


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
            _tell(f"{type(error).__name__}: {error}")
        raise GateUnavailable(
            f"The stock server can't be asked just now ({type(error).__name__}); retry with the same key."
        ) from error


def _tell(refusal: str) -> None:
    now = time.monotonic()
    if now - told_at.get(refusal, float("-inf")) >= TELL_SECONDS:
        remember(told_at, refusal, now, MOST_TOLD)
        log.warning("the stock server refused a command", error=refusal)
