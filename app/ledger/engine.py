"""Connections to Postgres. Each names its process in pg_stat_activity and uses one schema only."""

from collections.abc import Mapping
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.ledger.sessions import guard_sessions, limits, milliseconds
from app.settings import LedgerSettings

Process = Literal["api", "sale-poller", "worker", "reconciler", "operator", "blast-runner", "migrate", "test"]
POOL_SIZES: Mapping[Process, int] = {
    "sale-poller": 3,  # a second pool of each API process: polling and blasts must not wait for slow purchases
    "worker": 2,  # the sweep and a task
    "reconciler": 4,  # the number of sales that it checks at the same time
    "blast-runner": 1,
    "migrate": 1,
}
"""Pool sizes of the processes that need exactly this many; the others use LEDGER_POOL_SIZE."""
SILENCE_SECONDS = 1.0
"""How long the client waits after a statement's timeout. A server that is silent for longer is gone, even if the
connection looks open: a lost node does not close its connections, and the kernel waits for a quarter of an hour."""
LOCK_SHARE = 0.75
"""The timeout of each lock, as a share of the statement's timeout. A statement that waits in vain for a lock then fails
with 55P03, and not with 57014, which a failing server causes too. The share is below 1, because a statement that has
left the queue for a row still waits for the transaction at the queue's head."""


def make_engine(
    database_url: str, process: Process, settings: LedgerSettings, *, pool_size: int | None = None
) -> AsyncEngine:
    """Return an engine with a bounded pool. No connection is opened before the first use."""
    engine = create_async_engine(
        database_url,
        pool_size=pool_size or POOL_SIZES.get(process, settings.pool_size),
        max_overflow=0,
        pool_timeout=settings.statement_timeout_seconds,
        pool_pre_ping=False,  # a ping is a round trip per checkout; `discard_closed` needs none
        connect_args={
            "timeout": settings.connect_timeout_seconds,
            "command_timeout": settings.statement_timeout_seconds + SILENCE_SECONDS,
            "server_settings": {
                "application_name": f"atomictickets.{process}",
                "statement_timeout": milliseconds(settings.statement_timeout_seconds),
                "lock_timeout": milliseconds(settings.statement_timeout_seconds * LOCK_SHARE),
                **limits(),
                "timezone": "UTC",
                "search_path": f'"{settings.schema_name}"',
            },
        },
    )
    guard_sessions(engine)
    return engine
