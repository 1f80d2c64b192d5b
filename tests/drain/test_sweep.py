"""The sweep finds orders without any hint, and survives outages of its stores."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from app.drain import sweep as sweep_module
from app.drain.drain import Drain
from app.drain.failures import STORE_ERRORS
from app.drain.stream import OrderStream
from app.drain.sweep import sweep, sweep_forever
from app.gate.connection import make_redis
from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.servers.valkey import ValkeyServer
from app.ledger.engine import make_engine
from app.ledger.migrate import migrate
from app.settings import DrainSettings
from tests.drain.conftest import MakeDrain
from tests.support.patience import PATIENT_GATE, PATIENT_LEDGER
from tests.support.rows import mark_removed
from tests.support.sale_stream import SaleStream
from tests.support.until import until


@asynccontextmanager
async def sweeping(drain: Drain, engine: AsyncEngine) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sweep_forever(drain, engine))
        yield
        drain.stopping.set()


async def test_every_sale_with_orders_gets_its_turn(
    redis: "Redis", engine: AsyncEngine, key_prefix: str, make_drain: MakeDrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "PAGE_SALES", 2)
    sale_streams = [await SaleStream(redis, engine, key_prefix).open(10) for _ in range(5)]
    for sale_stream in sale_streams[1:]:
        await sale_stream.orders(2)
    await mark_removed(engine, sale_streams[4].name)
    assert not await sweep(make_drain(), engine)
    assert [await sale_stream.booked() for sale_stream in sale_streams] == [0, 2, 2, 2, 0]


async def test_a_defect_in_one_sale_keeps_no_other_from_its_turn(
    redis: "Redis", engine: AsyncEngine, key_prefix: str, make_drain: MakeDrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale_streams = sorted(
        [await SaleStream(redis, engine, key_prefix).open(10) for _ in range(2)],
        key=lambda sale_stream: sale_stream.name,
    )
    for sale_stream in sale_streams:
        await sale_stream.orders(2)
    settle = Drain.settle

    async def defect(drain: Drain, stream: OrderStream, name: str, entries: Any) -> Any:
        if name == sale_streams[0].name:
            raise ZeroDivisionError
        return await settle(drain, stream, name, entries)

    monkeypatch.setattr(Drain, "settle", defect)
    with capture_logs() as logs:
        await sweep(make_drain(), engine)
    assert [await sale_stream.booked() for sale_stream in sale_streams] == [0, 2]
    assert [line["event"] for line in logs] == ["a sale could not be drained"]


async def test_a_foreign_key_in_the_place_of_a_stream_keeps_no_other_sale_from_its_turn(
    redis: "Redis", engine: AsyncEngine, key_prefix: str, make_drain: MakeDrain
) -> None:
    foreign, sale_stream = [await SaleStream(redis, engine, key_prefix).open(10) for _ in range(2)]
    await redis.set(foreign.keys.orders, "not a stream")
    await sale_stream.orders(2)
    with pytest.raises(STORE_ERRORS, match="WRONGTYPE"):
        await sweep(make_drain(), engine)
    assert await sale_stream.booked() == 2


async def test_a_server_that_refuses_a_new_connection_is_a_store_that_is_away(
    redis: "Redis", engine: AsyncEngine, key_prefix: str
) -> None:
    refusing = make_engine(str(engine.url.set(database="no_such_database")), "test", PATIENT_LEDGER, pool_size=1)
    drain = Drain(redis, refusing, DrainSettings(), key_prefix=key_prefix)
    with pytest.raises(STORE_ERRORS, match="no_such_database"):
        await sweep(drain, refusing)
    await refusing.dispose()


async def test_new_orders_are_found_without_a_hint(sale_stream: SaleStream, make_drain: MakeDrain) -> None:
    await sale_stream.open(10)
    async with sweeping(make_drain(sweep_seconds=0.05), sale_stream.engine):
        for total in (3, 6):
            await sale_stream.orders(3)
            await until(partial(booked_exactly, sale_stream, total))


async def booked_exactly(sale_stream: SaleStream, tickets: int) -> bool:
    return await sale_stream.booked() == tickets and await sale_stream.length() == 0


async def test_postgres_away_for_a_while_sets_no_order_aside(
    redis: "Redis", key_prefix: str, make_postgres: Callable[..., PostgresServer]
) -> None:
    server = make_postgres()
    await migrate(server.url)
    engine = make_engine(server.url, "test", PATIENT_LEDGER, pool_size=2)
    sale_stream = await SaleStream(redis, engine, key_prefix).open(100)
    drain = Drain(redis, engine, DrainSettings(sweep_seconds=0.05, poison_tries=1), key_prefix=key_prefix)

    with capture_logs() as logs:
        async with sweeping(drain, engine):
            await sale_stream.orders(5)
            await until(lambda: booked_exactly(sale_stream, 5))
            server.kill()
            await sale_stream.orders(60)
            await until(lambda: logged(logs, "a store is away; orders wait in the stream"))
            server.start()
            await until(lambda: booked_exactly(sale_stream, 65))
            await until(lambda: logged(logs, "the stores are back"))

    assert await sale_stream.rows("SELECT * FROM set_aside WHERE sale = :sale") == []
    assert (await sale_stream.backlog(), await sale_stream.pending()) == (0, 0)
    assert sum(line["event"].startswith("a store is away") for line in logs) == 1
    await engine.dispose()


async def test_the_stock_server_killed_and_restarted_loses_no_order(
    engine: AsyncEngine, key_prefix: str, make_valkey: Callable[..., ValkeyServer]
) -> None:
    server = make_valkey()
    redis = make_redis(server.url, "test", PATIENT_GATE)
    sale_stream = await SaleStream(redis, engine, key_prefix).open(100)
    drain = Drain(redis, engine, DrainSettings(sweep_seconds=0.05), key_prefix=key_prefix)

    with capture_logs() as logs:
        await sale_stream.orders(60)
        server.kill()
        async with sweeping(drain, engine):
            await until(lambda: logged(logs, "a store is away; orders wait in the stream"))
            server.start()
            await until(lambda: logged(logs, "the stores are back"))
            await until(lambda: booked_exactly(sale_stream, 60))
    assert (await sale_stream.backlog(), await sale_stream.pending()) == (0, 0)
    await redis.aclose()


def logged(logs: list[Any], event: str) -> bool:
    return any(line["event"] == event for line in logs)
