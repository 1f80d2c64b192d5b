"""How a process reaches Postgres. Every connection names its process in pg_stat_activity."""

from collections.abc import Mapping
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.settings import LedgerSettings

Process = Literal["api", "looker", "worker", "reconciler", "operator", "blaster", "migrate", "test"]
POOL_SIZES: Mapping[Process, int] = {
    "looker": 3,  # of each API process, beside its own: looks and blasts must not wait behind buyers who think
    "worker": 2,  # the sweep and a task
    "reconciler": 4,  # as many sales as it looks at in one moment
    "blaster": 1,
    "migrate": 1,
}
"""Of processes that need so many and no more; the others have LEDGER_POOL_SIZE."""


def make_engine(
    database_url: str, process: Process, settings: LedgerSettings, *, pool_size: int | None = None
) -> AsyncEngine:
    """An engine with a bounded pool. No connection is opened before the first use."""
    return create_async_engine(
        database_url,
        pool_size=pool_size or POOL_SIZES.get(process, settings.pool_size),
        max_overflow=0,
        pool_timeout=settings.statement_timeout_seconds,
        pool_pre_ping=False,  # a ping per checkout; a connection that died is replaced after one failed statement
        connect_args={
            "timeout": settings.connect_timeout_seconds,
            "server_settings": {
                "application_name": f"atomictickets.{process}",
                "statement_timeout": str(int(settings.statement_timeout_seconds * 1000)),
                "idle_in_transaction_session_timeout": "30000",
                "timezone": "UTC",
            },
        },
    )
