"""How a process reaches Postgres. Every connection names its process in pg_stat_activity, and sees one schema only."""

from collections.abc import Mapping
from typing import Literal

from sqlalchemy import event
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.settings import LedgerSettings

Process = Literal["api", "sale-poller", "worker", "reconciler", "operator", "blast-runner", "migrate", "test"]
POOL_SIZES: Mapping[Process, int] = {
    "sale-poller": 3,  # of each API process, beside its own: looks and blasts must not wait behind buyers who think
    "worker": 2,  # the sweep and a task
    "reconciler": 4,  # as many sales as it looks at in one moment
    "blast-runner": 1,
    "migrate": 1,
}
"""Of processes that need so many and no more; the others have LEDGER_POOL_SIZE."""
SILENCE_SECONDS = 1.0
"""A server that says nothing for so long after a statement's time is up is gone, though its connection is not: a node
that was lost sends no end, and the kernel would wait for a quarter of an hour."""
LOCK_SHARE = 0.75
"""Of a statement's time, for each lock: one that waits in vain dies of that (55P03), and not of what a sick server does
too (57014). Not all of it: behind a row's queue there is the wait for the transaction at its head."""


def make_engine(
    database_url: str, process: Process, settings: LedgerSettings, *, pool_size: int | None = None
) -> AsyncEngine:
    """An engine with a bounded pool. No connection is opened before the first use."""
    engine = create_async_engine(
        database_url,
        pool_size=pool_size or POOL_SIZES.get(process, settings.pool_size),
        max_overflow=0,
        pool_timeout=settings.statement_timeout_seconds,
        pool_pre_ping=False,  # a round trip per checkout, which `replace_dead` spares
        connect_args={
            "timeout": settings.connect_timeout_seconds,
            "command_timeout": settings.statement_timeout_seconds + SILENCE_SECONDS,
            "server_settings": {
                "application_name": f"atomictickets.{process}",
                "statement_timeout": str(int(settings.statement_timeout_seconds * 1000)),
                "lock_timeout": str(int(settings.statement_timeout_seconds * LOCK_SHARE * 1000)),
                "idle_in_transaction_session_timeout": "30000",
                "timezone": "UTC",
                "search_path": f'"{settings.schema_name}"',
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", replace_dead)
    return engine


def replace_dead(connection: AdaptedConnection, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """Whoever gets a connection whose server has gone gets a new one instead: the driver has seen the stream's end.

    Without it the first buyer of each process after a restart of Postgres would hear of it, however long ago it was.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError  # SQLAlchemy connects anew
