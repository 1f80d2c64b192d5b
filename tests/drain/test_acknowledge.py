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
from tests.support.stall import Stall


async def acknowledge(redis: "Redis", stall: Stall, *triples: str | int) -> list[Any]:
    return list(await Scripts(redis).run("acknowledge", [stall.keys.sale, stall.keys.orders], [GROUP, *triples]))


async def read_all(stall: Stall) -> None:
    await stall.redis.xgroup_create(stall.keys.orders, GROUP, id="0")
    await stall.redis.xreadgroup(GROUP, "worker-1", {stall.keys.orders: ">"})


async def test_twice_acknowledged_lowers_the_backlog_once(stall: Stall) -> None:
    await stall.open(10)
    first, _ = await stall.orders(2, quantity=3)
    await read_all(stall)
    assert await acknowledge(stall.redis, stall, first.entry, 1, 3) == [1, 3]
    assert await acknowledge(stall.redis, stall, first.entry, 1, 3) == [0, 3]
    assert (await stall.waiting(), await stall.pending(), await stall.backlog()) == (1, 1, 3)


async def test_an_order_of_an_earlier_round_lowers_nothing(stall: Stall) -> None:
    await stall.open(10)
    old = await stall.order()
    stall.round = 2
    await stall.start_round(5)
    await stall.order(quantity=2)
    assert await acknowledge(stall.redis, stall, old.entry, 1, 1) == [1, 2]


async def test_the_backlog_never_goes_below_zero(stall: Stall) -> None:
    await stall.open(10)
    order = await stall.order(quantity=3)
    await stall.redis.hset(stall.keys.sale, "backlog", 1)
    assert await acknowledge(stall.redis, stall, order.entry, 1, 3) == [1, 0]


async def test_a_sale_whose_hash_is_gone_is_not_made_again(stall: Stall) -> None:
    await stall.open(10)
    order = await stall.order()
    await stall.redis.delete(stall.keys.sale)
    assert await acknowledge(stall.redis, stall, order.entry, 1, 1) == [1, -1]
    assert not await stall.redis.exists(stall.keys.sale)
    assert await stall.waiting() == 0


async def test_a_server_out_of_memory_still_lets_orders_go(
    stall: Stall, make_valkey: Callable[..., ValkeyServer]
) -> None:
    full = make_redis(make_valkey().url, "test", GateSettings())
    stall.redis = full
    await stall.open(10)
    order = await stall.order(quantity=2)
    await read_all(stall)
    await full.config_set("maxmemory", "1")
    assert await acknowledge(full, stall, order.entry, 1, 2) == [1, 0]
    await full.aclose()


async def test_a_server_out_of_memory_is_drained(
    make_valkey: Callable[..., ValkeyServer], engine: AsyncEngine, key_prefix: str
) -> None:
    """Otherwise the server would stay full forever, because only the drain removes orders."""
    full = make_redis(make_valkey().url, "test", GateSettings())
    stall = await Stall(full, engine, key_prefix).open(10)
    await stall.orders(3)
    await full.config_set("maxmemory", "1")
    with pytest.raises(OutOfMemoryError):  # the control: the plain command is refused
        await full.xgroup_create(stall.keys.orders, GROUP, id="0")
    drain = Drain(full, engine, DrainSettings(), key_prefix=key_prefix, consumer="worker-1")
    assert (await drain.sale(stall.name, 10)).booked == 3
    await full.config_set("maxmemory", "0")
    await stall.orders(3)
    await full.config_set("maxmemory", "1")
    assert (await drain.sale(stall.name, 10)).booked == 3
    assert (await stall.waiting(), await stall.pending(), await stall.backlog()) == (0, 0, 0)
    await full.aclose()


async def test_only_a_consumer_with_nothing_pending_is_forgotten(stall: Stall) -> None:
    await stall.open(10)
    await stall.order()
    await read_all(stall)
    await stall.redis.xgroup_createconsumer(stall.keys.orders, GROUP, "worker-2")
    assert await Scripts(stall.redis).run("forget_consumers", [stall.keys.orders], [GROUP, 0]) == 1
    assert [consumer["name"] for consumer in await stall.redis.xinfo_consumers(stall.keys.orders, GROUP)] == [
        "worker-1"
    ]
    assert await stall.pending() == 1


async def test_forgetting_the_same_consumer_without_a_look_drops_its_order(stall: Stall) -> None:
    """The reason for the script: XGROUP DELCONSUMER also drops the pending order, so that no worker could claim it."""
    await stall.open(10)
    await stall.order()
    await read_all(stall)
    await stall.redis.xgroup_delconsumer(stall.keys.orders, GROUP, "worker-1")
    assert (await stall.pending(), await stall.waiting()) == (0, 1)
