"""Tells a stock server that is away from everything else that may go wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from app.gate.replies import GateUnavailable


@contextmanager
def stock_server_reachable() -> Iterator[None]:
    """Raises GateUnavailable where an error says that Redis can't be asked now; what was sent may have happened."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise GateUnavailable(
            f"The stock server can't be asked just now ({type(error).__name__}); retry with the same key."
        ) from error
