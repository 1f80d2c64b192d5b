"""The reconciler as a process: `python -m app.reconciler`. SIGTERM ends it at once, at any point.

The process is ready when it has checked every sale once. It then creates the file that RECONCILE_READY_FILE names. On
RECONCILE_PROBE_PORT it answers whether it is ready (`/readyz`) and that it is alive (`/healthz`).
"""

import asyncio
import signal
from contextlib import suppress

import structlog

from app.cancellation import cancel_until_done
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.ledger.engine import make_engine
from app.probe import serve_probes
from app.reconcile.reconciler import Reconciler
from app.settings import GateSettings, LedgerSettings, ProbeSettings, ReconcileSettings, StoreSettings
from app.strategies.registry import STRATEGIES
from app.telemetry.logs import configure_logs
from app.telemetry.tracing import tracing

log = structlog.get_logger()


async def serve() -> None:
    """Run until SIGTERM or SIGINT."""
    stores, gate_settings, settings = StoreSettings(), GateSettings(), ReconcileSettings()
    engine = make_engine(stores.database_url, "reconciler", LedgerSettings())
    redis = make_redis(stores.redis_url, "reconciler", gate_settings)
    ready = asyncio.Event()
    gate = Gate.of(redis, gate_settings)
    reconciler = Reconciler(engine, gate, STRATEGIES, settings)

    try:
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(reconciler.run_forever(ready)), tasks.create_task(_report_ready(ready))]
            if port := ProbeSettings.of("RECONCILE_").probe_port:
                work.append(tasks.create_task(serve_probes(port, ready.is_set)))
            for stop_signal in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(stop_signal, cancel_until_done, *work)
    finally:
        await redis.aclose()
        await engine.dispose()
        log.info("reconciliation stopped")


async def _report_ready(ready: asyncio.Event) -> None:
    """Log that every sale has been checked once, and create the ready file."""
    await ready.wait()
    log.info("reconciliation runs")
    if path := ProbeSettings.of("RECONCILE_").ready_file:
        await asyncio.to_thread(path.touch)


if __name__ == "__main__":
    configure_logs(process="reconciler")
    with suppress(KeyboardInterrupt), tracing("atomictickets-reconciler", changes_only=True):
        asyncio.run(serve())
