"""The first statement that a silent server does not answer moves the whole pool to the server that was promoted."""

import asyncio

import pytest
from sqlalchemy import TextClause, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.lab.stack.servers.postgres import PostgresServer
from app.ledger import sessions
from app.ledger.availability import LedgerUnavailable, ledger_reachable
from app.ledger.engine import make_engine
from app.ledger.silence import Silence
from app.settings import LedgerSettings
from tests.fixtures.standby import MakeLedgerPair
from tests.support.standby import LedgerPair
from tests.support.until import until

POOL, IN_USE = 4, 2  # sessions
SETTINGS = LedgerSettings(connect_timeout_seconds=1.0, statement_timeout_seconds=1.0)  # silent after 2 s
PORT = text("SELECT current_setting('port')::int")
PID = text("SELECT pg_backend_pid()")
LONG = text("SELECT pg_sleep(30)")


class Unnoticed(Silence):
    def watch(self, engine: AsyncEngine) -> None:
        """Do nothing: SQLAlchemy replaces only the session that was in use."""


# The second row is the control.
@pytest.mark.parametrize(("silence", "timeouts"), [(Silence, IN_USE), (Unnoticed, POOL)])
async def test_idle_sessions_of_a_silent_server_cost_no_timeout(
    silence: type[Silence], timeouts: int, make_ledger_pair: MakeLedgerPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "Silence", silence)
    pair = make_ledger_pair()
    engine = make_engine(pair.url, "test", SETTINGS, pool_size=POOL)
    seen = count_timeouts(engine)
    assert await ports(engine, POOL) == [pair.primary.port] * POOL
    await freeze_and_promote(pair)
    assert await ports(engine, IN_USE) == [None] * IN_USE
    await until(lambda: moved(engine, pair.standby))
    assert len(seen) == timeouts
    pair.thaw()
    await engine.dispose()  # both take writes now, and new sessions stay where the last one was opened
    assert await moved(engine, pair.standby)
    await engine.dispose()


async def test_a_commit_that_a_frozen_server_has_received_happens_there_alone(make_ledger_pair: MakeLedgerPair) -> None:
    """The client was told nothing, and nobody reads that server again."""
    pair = make_ledger_pair()
    pair.primary.run_sql("CREATE TABLE late (number integer)", database=pair.primary.database)
    pair.catch_up()
    engine = make_engine(pair.url, "test", SETTINGS, pool_size=1)
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO late VALUES (1)"))
        await freeze_and_promote(pair)
        with pytest.raises(LedgerUnavailable), ledger_reachable():
            await connection.commit()
    await until(lambda: moved(engine, pair.standby, 1))
    pair.thaw()
    await until(lambda: rows(pair.primary) == 1)
    assert rows(pair.standby) == 0
    assert await moved(engine, pair.standby, 1)
    await engine.dispose()


@pytest.mark.parametrize("patience", [None, 0.1])  # seconds; None: until statement_timeout (57014)
async def test_a_long_statement_and_an_impatient_caller_are_no_silence(
    patience: float | None, database_url: str
) -> None:
    engine = make_engine(database_url, "test", SETTINGS, pool_size=2)
    before = await at_once(engine, PID, 2)
    with pytest.raises(TimeoutError if patience else DBAPIError):
        async with asyncio.timeout(patience), engine.connect() as connection:
            await connection.execute(LONG)
    assert set(before) & set(await at_once(engine, PID, 2))
    await engine.dispose()


def count_timeouts(engine: AsyncEngine) -> list[ExceptionContext]:
    """Return a list to which each statement that ends by the client's own timeout is added."""
    seen: list[ExceptionContext] = []

    def note(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, TimeoutError):
            seen.append(context)

    event.listen(engine.sync_engine, "handle_error", note)
    return seen


async def freeze_and_promote(pair: LedgerPair) -> None:
    pair.freeze()
    await asyncio.to_thread(pair.standby.promote)


async def moved(engine: AsyncEngine, server: PostgresServer, sessions: int = POOL) -> bool:
    """Return whether this many sessions, in use at the same time, are all on the server."""
    return await ports(engine, sessions) == [server.port] * sessions


async def ports(engine: AsyncEngine, sessions: int) -> list[int | None]:
    return await at_once(engine, PORT, sessions)


async def at_once(engine: AsyncEngine, statement: TextClause, sessions: int) -> list[int | None]:
    """Return what the statement returns in this many sessions at the same time; None if the ledger is away."""

    async def one() -> int | None:
        try:
            with ledger_reachable():
                async with engine.connect() as connection:
                    return int((await connection.execute(statement)).scalar_one())
        except LedgerUnavailable:
            return None

    return await asyncio.gather(*(one() for _ in range(sessions)))


def rows(server: PostgresServer) -> int:
    return int(server.run_sql("SELECT count(*) FROM late", database=server.database))
