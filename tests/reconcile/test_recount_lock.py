"""The recount lock of a silent process becomes free, and that of a process at work does not."""

from contextlib import AsyncExitStack

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger import sessions
from app.ledger.availability import LedgerUnavailable, ledger_reachable
from app.ledger.engine import make_engine
from app.reconcile.recount_lock import recount_lock, recount_lock_held
from tests.support.patience import PATIENT_LEDGER
from tests.support.silent_proxy import SilentProxy
from tests.support.until import until

NEVER = 0.0  # PostgreSQL's default for idle_session_timeout


async def test_a_silent_process_loses_its_lock(
    database_url: str, engine: AsyncEngine, silent_proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind_the_proxy = make_engine(
        make_url(database_url).set(port=silent_proxy.port).render_as_string(), "test", PATIENT_LEDGER
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(behind_the_proxy.dispose)
        monkeypatch.setattr(sessions, "IDLE_LOCK_SECONDS", NEVER)
        assert await stack.enter_async_context(recount_lock(behind_the_proxy, "drop", 1))
        monkeypatch.setattr(sessions, "IDLE_LOCK_SECONDS", 2.0)
        assert await stack.enter_async_context(recount_lock(behind_the_proxy, "drop", 2))
        at_work = await stack.enter_async_context(recount_lock(engine, "drop", 3))
        assert at_work is not None
        for epoch in (1, 2, 3):
            assert await recount_lock_held(engine, "drop", epoch)
        silent_proxy.fall_silent()

        async def free() -> bool:
            await at_work.execute(text("SELECT 1"))
            await at_work.commit()
            return not await recount_lock_held(engine, "drop", 2)

        await until(free)
        assert await recount_lock_held(engine, "drop", 1)  # the control
        assert await recount_lock_held(engine, "drop", 3)


async def test_a_process_that_was_silent_for_too_long_is_told(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "IDLE_LOCK_SECONDS", 0.2)
    async with recount_lock(engine, "drop", 1) as connection:
        assert connection is not None
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await until(raw.is_closed)
        with pytest.raises(LedgerUnavailable), ledger_reachable():
            await connection.execute(text("SELECT 1"))
