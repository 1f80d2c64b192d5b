"""Distinguish an unavailable stock server from other failures."""

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

TRANSIENT = (AskError, ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
"""Refusals that pass: the server is full, or its cluster is changing."""
LOG_INTERVAL_SECONDS = 60.0  # between two log lines of the same refusal, which may occur hundreds of times a second
MAX_REMEMBERED = 100  # refusals that are remembered

log = structlog.get_logger()
logged_at: OrderedDict[str, float] = OrderedDict()
"""When each refusal was logged last, in seconds of the monotonic clock."""


@contextmanager
def stock_server_reachable() -> Iterator[None]:
    """Raise GateUnavailable in place of an error of Redis or of the connection. The command may have been executed.

    A refusal that does not pass by itself, of a forbidden command or of a key of the wrong type, is logged too: the
    buyer is asked to retry, and a person has to correct the cause.
    """
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        if isinstance(error, ResponseError) and not isinstance(error, TRANSIENT):
            _log_refusal(f"{type(error).__name__}: {error}")
        raise GateUnavailable(
            f"The stock server is unavailable ({type(error).__name__}). Retry with the same key."
        ) from error


def _log_refusal(refusal: str) -> None:
    """Log the refusal unless it was logged in the last LOG_INTERVAL_SECONDS."""
    now = time.monotonic()
    if now - logged_at.get(refusal, float("-inf")) >= LOG_INTERVAL_SECONDS:
        remember(logged_at, refusal, now, MAX_REMEMBERED)
        log.warning("the stock server refused a command", error=refusal)
