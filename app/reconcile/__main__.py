"""The reconciliation as a process of its own: `python -m app.reconcile`. SIGTERM ends it at once, at any point.

RECONCILE_READY_FILE names a file that it makes when it has looked at every sale once.
"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import TemporarilyUnavailable
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.gate.server import claim
from app.ledger.engine import make_engine
from app.ledger.schema import installation_id
from app.reconcile.ending import cancel_for_good
from app.reconcile.watch import AT_ONCE, Reconciler
from app.settings import GateSettings, LedgerSettings, ReconcileSettings, StoreSettings
from app.strategies.registry import STRATEGIES
from app.telemetry.logs import configure_logs

log = structlog.get_logger()


async def serve() -> None:
    """Runs until SIGTERM or SIGINT."""
    stores, gate_settings, settings = StoreSettings(), GateSettings(), ReconcileSettings()
    engine = make_engine(stores.database_url, "reconciler", LedgerSettings(), pool_size=AT_ONCE)
    redis = make_redis(stores.redis_url, "reconciler", gate_settings)
    gate = Gate(redis, gate_settings.key_prefix)
    ready = asyncio.Event()
    reconciler = Reconciler(engine, gate, STRATEGIES, settings)

    async def run() -> None:
        await _own_stores(redis, gate_settings.key_prefix, engine, settings.interval_seconds)
        await reconciler.run_forever(ready)

    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run())
            telling = tasks.create_task(_tell(ready))
            for ending in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(ending, cancel_for_good, running, telling)
    finally:
        await redis.aclose()
        await engine.dispose()
        log.info("reconciliation stopped")


async def _own_stores(redis: Redis, prefix: str, engine: AsyncEngine, pause_seconds: float) -> None:
    """Waits for the stores, and until they are one installation's: another's sales would be seeded from our ledger."""
    told = False
    while True:
        try:
            await claim(redis, prefix, await installation_id(engine))
        except TemporarilyUnavailable as error:
            if not told:
                log.warning("waiting for the stores", error=error.detail)
            told = True
            await asyncio.sleep(pause_seconds)
        else:
            return


async def _tell(ready: asyncio.Event) -> None:
    """Says once that every sale was looked at."""
    await ready.wait()
    log.info("reconciliation runs")
    if path := os.environ.get("RECONCILE_READY_FILE"):
        await asyncio.to_thread(Path(path).touch)


if __name__ == "__main__":
    configure_logs(process="reconciler")
    with suppress(KeyboardInterrupt):
        asyncio.run(serve())
