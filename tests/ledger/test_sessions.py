"""Sessions are on servers that take writes, and the server ends those whose client is silent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.lab.stack.servers.postgres import PostgresServer
from app.ledger import sessions
from app.ledger.availability import LedgerUnavailable, ledger_reachable
from app.ledger.connections import require_writable
from app.ledger.engine import make_engine
from app.ledger.migrate import migrate
from app.settings import LedgerSettings
from tests.support.patience import PATIENT_LEDGER
from tests.support.silent_broker import SilentBroker
from tests.support.silent_proxy import SilentProxy
from tests.support.until import until

WRITE = text("UPDATE instance SET id = id")
BECOME_READ_ONLY = text("SET default_transaction_read_only = on")


@pytest.fixture
async def plain(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Yield the control: SQLAlchemy's engine without any protection."""
    engine = create_async_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def read_only(postgres_server: PostgresServer, database_url: str) -> Callable[[], Any]:
    """Return a context manager in which each new session of the test's database is read-only."""
    database = make_url(database_url).database

    @contextmanager
    def read_only() -> Iterator[None]:
        postgres_server.run_sql(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
        yield
        postgres_server.run_sql(f'ALTER DATABASE "{database}" RESET default_transaction_read_only')

    return read_only


async def write(engine: AsyncEngine) -> None:
    with ledger_reachable():
        async with engine.begin() as connection:
            await connection.execute(WRITE)


async def become_read_only(connection: AsyncConnection) -> None:
    await connection.execute(BECOME_READ_ONLY)
    await connection.commit()


async def test_no_session_of_a_read_only_moment_stays(engine: AsyncEngine, read_only: Callable[[], Any]) -> None:
    with read_only():
        for attempt in (write, require_writable):
            with pytest.raises(LedgerUnavailable, match="read-only"):
                await attempt(engine)
    await write(engine)
    await require_writable(engine)


async def test_without_the_protection_it_stays(plain: AsyncEngine, read_only: Callable[[], Any]) -> None:
    """The control: the session that was opened in that moment refuses each write for good."""
    with read_only(), pytest.raises(DBAPIError, match="read-only"):
        await plain_write(plain)
    with pytest.raises(DBAPIError, match="read-only"):
        await plain_write(plain)


async def plain_write(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(WRITE)


@pytest.mark.parametrize("attempt", [write, require_writable])
async def test_sessions_that_turned_read_only_are_dropped_together(
    engine: AsyncEngine, attempt: Callable[[AsyncEngine], Any]
) -> None:
    async with engine.connect() as one, engine.connect() as other:
        await asyncio.gather(become_read_only(one), become_read_only(other))
    with pytest.raises(LedgerUnavailable, match="read-only"):
        await attempt(engine)
    await asyncio.gather(write(engine), write(engine))


async def test_of_several_servers_the_one_that_takes_writes_is_used(
    make_postgres: Callable[..., PostgresServer],
) -> None:
    first, second = make_postgres("first"), make_postgres("second")
    for server in (first, second):
        await migrate(server.url)
    both = several(first.port, second.port)
    engine = make_engine(both, "test", PATIENT_LEDGER, pool_size=2)
    plain = create_async_engine(both)
    for closed, open_, of_plain in ((first, second, first), (second, first, first)):
        set_read_only(closed, "on")
        set_read_only(open_, "off")
        with ledger_reachable():
            await until(lambda: writes(engine))
        assert await port(engine) == open_.port
        assert await port(plain) == of_plain.port  # the control
        await migrate(both)
    set_read_only(first, "on")
    with pytest.raises(LedgerUnavailable, match="read-only"):
        await write(engine)
    await engine.dispose()
    await plain.dispose()


def several(*ports: int) -> str:
    """Return the URL of several servers, as SQLAlchemy reads it."""
    return "postgresql+asyncpg://postgres@/atomictickets?" + "&".join(f"host=127.0.0.1:{port}" for port in ports)


def set_read_only(server: PostgresServer, value: str) -> None:
    server.run_sql(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    server.run_sql("SELECT pg_reload_conf()")


async def writes(engine: AsyncEngine) -> bool:
    try:
        await write(engine)
    except LedgerUnavailable:
        return False
    return True


async def port(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT current_setting('port')"))).scalar_one())


async def test_a_lost_first_server_does_not_hide_the_second(
    postgres_server: PostgresServer, database_url: str, silent_broker: SilentBroker
) -> None:
    """The first accepts connections and is silent. Without a timeout for each, asyncpg would wait for it alone."""
    silent = make_url(silent_broker.url).port or 0
    url = several(silent, postgres_server.port).replace("/atomictickets", f"/{make_url(database_url).database}")
    engine = make_engine(url, "test", LedgerSettings(connect_timeout_seconds=1.0), pool_size=2)
    await until(lambda: writes(engine))
    met = silent_broker.connections
    async with engine.connect() as one, engine.connect() as other:
        assert await one.scalar(text("SELECT 1")) == await other.scalar(text("SELECT 1")) == 1
    assert silent_broker.connections == met > 0  # further sessions begin with the server that answered
    await engine.dispose()
    control = create_async_engine(url, connect_args={"timeout": 1.0})
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await plain_write(control)
    await control.dispose()


async def test_the_next_caller_begins_behind_a_silent_server_on_which_another_gave_up(
    postgres_server: PostgresServer, database_url: str, silent_broker: SilentBroker
) -> None:
    silent = make_url(silent_broker.url).port or 0
    url = several(silent, postgres_server.port).replace("/atomictickets", f"/{make_url(database_url).database}")
    engine = make_engine(url, "test", PATIENT_LEDGER, pool_size=1)  # it would wait for 20 s
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await port(engine)
    async with asyncio.timeout(PATIENT_LEDGER.connect_timeout_seconds / 2):
        assert await port(engine) == postgres_server.port
    await engine.dispose()


async def test_a_silent_client_loses_its_transaction(
    postgres_server: PostgresServer,
    database_url: str,
    silent_proxy: SilentProxy,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = make_url(database_url).set(port=silent_proxy.port)
    holders = [create_async_engine(url)]
    monkeypatch.setattr(sessions, "IDLE_IN_TRANSACTION_SECONDS", 0.5)
    holders.append(make_engine(url.render_as_string(), "test", PATIENT_LEDGER))
    held = [await holder.connect() for holder in holders]
    for number, connection in enumerate(held):
        await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})

    async def free(number: int) -> bool:
        async with engine.connect() as connection:
            return bool(await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": number}))

    assert not await free(1)
    silent_proxy.fall_silent()
    await until(lambda: free(1))
    assert not await free(0)  # the control
    postgres_server.run_sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0")
    for connection in held:
        await connection.invalidate()
    for holder in holders:
        await holder.dispose()


async def test_the_kernel_ends_sessions_of_a_lost_node_within_30_seconds(engine: AsyncEngine) -> None:
    """The values are read from the socket, as the kernel has them."""
    async with engine.connect() as connection:
        idle, interval, count, unacknowledged = [
            int((await connection.execute(text("SELECT setting FROM pg_settings WHERE name = :name"), {"name": name}))
                .scalar_one()) for name in sessions.KEEPALIVES
        ]  # fmt: skip
    assert 0 < idle + interval * count <= 30
    assert 0 < unacknowledged <= 30_000
    longest_statement = LedgerSettings().statement_timeout_seconds
    assert max(sessions.IDLE_IN_TRANSACTION_SECONDS, sessions.IDLE_LOCK_SECONDS) + longest_statement <= 30
