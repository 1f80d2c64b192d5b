"""The incarnation of the ledger's server: any restart and any promotion change it, and nothing else does."""

from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.lab.stack.servers.postgres import PostgresServer
from app.ledger.availability import LedgerUnavailable
from app.ledger.clock import ledger_now
from app.ledger.engine import make_engine
from app.ledger.incarnation import ledger_incarnation
from tests.support.patience import PATIENT_LEDGER

PUBLIC = PATIENT_LEDGER.model_copy(update={"schema_name": "public"})


@pytest.fixture
def postgres(make_postgres: Callable[..., PostgresServer]) -> PostgresServer:
    return make_postgres()


@pytest.fixture
async def ours(postgres: PostgresServer) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(postgres.url, "test", PUBLIC)
    yield engine
    await engine.dispose()


async def test_work_does_not_change_it_and_a_restart_does(ours: AsyncEngine, postgres: PostgresServer) -> None:
    first = await ledger_incarnation(ours)
    timeline, start = first.split("@")
    assert timeline == "00000001"
    assert 0 < (await ledger_now(ours)).timestamp() * 1000 - int(start) < 600_000
    postgres.run_sql("CREATE TABLE t (); SELECT pg_switch_wal()")
    assert await ledger_incarnation(ours) == first
    postgres.stop()
    with pytest.raises(LedgerUnavailable):
        await ledger_incarnation(ours)
    postgres.start()
    assert (restarted := await ledger_incarnation(ours)) != first
    assert restarted.startswith("00000001@")


async def test_a_promotion_changes_it(ours: AsyncEngine, postgres: PostgresServer) -> None:
    postgres.stop()
    (postgres.directory / "data" / "standby.signal").touch()
    postgres.start()
    with pytest.raises(LedgerUnavailable):
        await ledger_incarnation(ours)
    postgres.run_sql("SELECT pg_promote()")
    assert (await ledger_incarnation(ours)).startswith("00000002@")


async def test_a_server_that_hides_it_has_none(ours: AsyncEngine, postgres: PostgresServer) -> None:
    postgres.run_sql("CREATE ROLE guest LOGIN; REVOKE EXECUTE ON FUNCTION pg_walfile_name FROM PUBLIC",
                     database=postgres.database)  # fmt: skip
    guest = make_engine(postgres.url.replace("postgres@", "guest@"), "test", PUBLIC)
    assert await ledger_incarnation(guest) == ""
    assert await ledger_incarnation(ours) != ""
    await guest.dispose()
