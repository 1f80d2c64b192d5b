"""Compare the sum of all connection pools of a lab with the limit of its ledger, so that a lab fails at the start."""

import asyncio

from app.lab.stack.process import ProcessFailed
from app.ledger.connections import connection_problems
from app.ledger.engine import POOL_SIZES, make_engine
from app.settings import LedgerSettings


def refuse_too_many(database_url: str, *, api_processes: int, workers: int) -> None:
    """Raise ProcessFailed if the processes may together open more connections than the ledger allows."""
    settings = LedgerSettings()
    singles = POOL_SIZES["reconciler"] + POOL_SIZES["blast-runner"]
    wanted = api_processes * (settings.pool_size + POOL_SIZES["sale-poller"]) + workers * POOL_SIZES["worker"] + singles
    if reasons := asyncio.run(_doubts(database_url, settings, wanted)):
        raise ProcessFailed(f"With {api_processes} API processes and {workers} workers, {reasons[0]}.")


async def _doubts(database_url: str, settings: LedgerSettings, wanted: int) -> list[str]:
    engine = make_engine(database_url, "migrate", settings)
    try:
        return await connection_problems(engine, wanted)
    finally:
        await engine.dispose()
