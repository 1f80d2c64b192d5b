"""The script that removes acknowledged orders from the stream, the group and the backlog."""

from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.drain import Drain
from app.gate.connection import make_redis
from app.gate.keys import GROUP
from app.gate.scripts import Scripts
from app.lab.stack.servers.valkey import ValkeyServer
from app.settings import DrainSettings, GateSettings
from tests.support.sale_stream import SaleStream


async def acknowledge(redis: "Redis", sale_stream: SaleStream, *parts: str | int) -> list[Any]:
    return list(
        await Scripts(redis).run("acknowledge", [sale_stream.keys.sale, sale_stream.keys.orders], [GROUP, *parts])
    )


async def read_all(sale_stream: SaleStream) -> None:
    await sale_stream.redis.xgroup_create(sale_stream.keys.orders, GROUP, id="0")
    await sale_stream.redis.xreadgroup(GROUP, "worker-1", {sale_stream.keys.orders: ">"})


async def test_twice_acknowledged_lowers_the_backlog_once(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    first, _ = await sale_stream.orders(2, quantity=3)
    await read_all(sale_stream)
    assert await acknowledge(sale_stream.redis, sale_stream, first.entry, 1, 1, 3) == [1, 3]
    assert await acknowledge(sale_stream.redis, sale_stream, first.entry, 1, 1, 3) == [0, 3]
    assert (await sale_stream.length(), await sale_stream.pending(), await sale_stream.backlog()) == (1, 1, 3)


async def test_an_order_of_an_earlier_round_lowers_nothing(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    old = await sale_stream.order()
    sale_stream.round = 2
    await sale_stream.start_round(5)
    await sale_stream.order(quantity=2)
    assert await acknowledge(sale_stream.redis, sale_stream, old.entry, 1, 1, 1) == [1, 2]


async def test_the_backlog_never_goes_below_zero(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    order = await sale_stream.order(quantity=3)
    await sale_stream.redis.hset(sale_stream.keys.sale, "backlog", 1)
    assert await acknowledge(sale_stream.redis, sale_stream, order.entry, 1, 1, 3) == [1, 0]


async def test_a_sale_whose_hash_is_gone_is_not_made_again(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    order = await sale_stream.order()
    await sale_stream.redis.delete(sale_stream.keys.sale)
    assert await acknowledge(sale_stream.redis, sale_stream, order.entry, 1, 1, 1) == [1, -1]
    assert not await sale_stream.redis.exists(sale_stream.keys.sale)
    assert await sale_stream.length() == 0


async def test_a_server_out_of_memory_still_lets_orders_go(
    sale_stream: SaleStream, make_valkey: Callable[..., ValkeyServer]
) -> None:
    full = make_redis(make_valkey().url, "test", GateSettings())
    sale_stream.redis = full
    await sale_stream.open(10)
    order = await sale_stream.order(quantity=2)
    await read_all(sale_stream)
    await full.config_set("maxmemory", "1")
    assert await acknowledge(full, sale_stream, order.entry, 1, 1, 2) == [1, 0]
    await full.aclose()


async def test_a_server_out_of_memory_is_drained(
    make_valkey: Callable[..., ValkeyServer], engine: AsyncEngine, key_prefix: str
) -> None:
    """Otherwise the server would stay full forever, because only the drain removes orders."""
    full = make_redis(make_valkey().url, "test", GateSettings())
    sale_stream = await SaleStream(full, engine, key_prefix).open(10)
    await sale_stream.orders(3)
    await full.config_set("maxmemory", "1")
    with pytest.raises(OutOfMemoryError):  # the control: the plain command is refused
        await full.xgroup_create(sale_stream.keys.orders, GROUP, id="0")
    drain = Drain(full, engine, DrainSettings(), key_prefix=key_prefix, consumer="worker-1")
    assert (await drain.sale(sale_stream.name, 10)).booked == 3
    await full.config_set("maxmemory", "0")
    await sale_stream.orders(3)
    await full.config_set("maxmemory", "1")
    assert (await drain.sale(sale_stream.name, 10)).booked == 3
    assert (await sale_stream.length(), await sale_stream.pending(), await sale_stream.backlog()) == (0, 0, 0)
    await full.aclose()


async def test_only_a_consumer_with_nothing_pending_is_forgotten(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    await sale_stream.order()
    await read_all(sale_stream)
    await sale_stream.redis.xgroup_createconsumer(sale_stream.keys.orders, GROUP, "worker-2")
    assert await Scripts(sale_stream.redis).run("forget_consumers", [sale_stream.keys.orders], [GROUP, 0]) == 1
    assert [
        consumer["name"] for consumer in await sale_stream.redis.xinfo_consumers(sale_stream.keys.orders, GROUP)
    ] == ["worker-1"]
    assert await sale_stream.pending() == 1


async def test_forgetting_the_same_consumer_without_a_look_drops_its_order(sale_stream: SaleStream) -> None:
    """The reason for the script: XGROUP DELCONSUMER also drops the pending order, so that no worker could claim it."""
    await sale_stream.open(10)
    await sale_stream.order()
    await read_all(sale_stream)
    await sale_stream.redis.xgroup_delconsumer(sale_stream.keys.orders, GROUP, "worker-1")
    assert (await sale_stream.pending(), await sale_stream.length()) == (0, 1)
