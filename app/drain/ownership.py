"""Check that a worker's stock server and ledger belong to the same installation.

A worker with the ledger of another installation would book its orders there.
"""

import asyncio
from contextlib import suppress

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.failures import STORE_ERRORS
from app.errors import TemporarilyUnavailable
from app.gate.server import ForeignStores, claim
from app.ledger.revisions import SchemaIncompatible
from app.ledger.schema import installation_id

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 5.0

log = structlog.get_logger()


async def wait_for_own_stores(redis: "Redis", prefix: str, engine: AsyncEngine, stopping: asyncio.Event) -> bool:
    """Wait until stock server and ledger are reachable, the schema fits this release, and both are of one installation.

    Return True then, or False if `stopping` was set first.
    """
    logged_reason, pause = "", FIRST_PAUSE_SECONDS
    while not stopping.is_set():
        try:
            await claim(redis, prefix, await installation_id(engine))
        except STORE_ERRORS as error:
            reason = error.detail if isinstance(error, TemporarilyUnavailable) else f"{type(error).__name__}: {error}"
            if reason != logged_reason:
                write = log.error if isinstance(error, ForeignStores | SchemaIncompatible) else log.warning
                write("waiting for the stores; nothing is drained", error=reason)
            logged_reason = reason
        else:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
    return False
