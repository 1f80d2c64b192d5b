"""The gate on a real Redis Cluster, with sales on every primary, slots that move and primaries that die."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError

from app.gate.cluster import servers
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.gate.replies import FencingToken, GateUnavailable
from app.gate.server import claim, durability_doubts
from app.sales.outcomes import Reserved
from app.settings import GateSettings
from tests.fixtures.cluster import MakeCluster
from tests.support.redis_cluster import RedisCluster
from tests.support.sales import a_purchase, a_sale, open_sale
from tests.support.until import until

KNOWN = FencingToken(1, 1)


@pytest.fixture
async def cluster(make_cluster: MakeCluster) -> RedisCluster:
    return await make_cluster()


@pytest.fixture
async def redis(cluster: RedisCluster) -> AsyncIterator[Redis]:
    redis = make_redis(cluster.url, "test", GateSettings(command_timeout_seconds=10))
    yield redis
    await redis.aclose()


@pytest.fixture
async def gate(redis: Redis) -> Gate:
    gate = Gate(redis, "test")
    await gate.load_scripts()
    return gate


async def buy(gate: Gate, sale: str) -> str:
    """Make one purchase. Return `reserved` or `refused` if it was decided, and the result otherwise."""
    reply = await gate.reserve(sale, [a_purchase(sale=sale)], KNOWN)
    if reply.result == "decided":
        return "reserved" if isinstance(reply.decisions[0].outcome, Reserved) else "refused"
    return reply.result


async def test_sales_on_every_primary_are_sold_measured_and_read(cluster: RedisCluster, gate: Gate) -> None:
    sales = [cluster.sale_on(index) for index in range(3)]
    runs = set()
    for name in sales:
        await open_sale(gate, a_sale(name, stock=2))
        assert [await buy(gate, name) for _ in range(3)] == ["reserved", "reserved", "refused"]
        assert [len(page) async for page in gate.entries(name)] == [2]
        runs.add(await gate.run_id(name))
    assert len(runs) == 3
    assert [found.remaining for found in await gate.snapshots(sales) if found] == [0, 0, 0]


async def test_a_server_that_forgot_the_scripts_is_taught_them_again(cluster: RedisCluster, gate: Gate) -> None:
    name = cluster.sale_on(1)
    await open_sale(gate, a_sale(name))
    await cluster.run(1, "SCRIPT FLUSH")
    assert await buy(gate, name) == "reserved"


async def test_a_sale_whose_slot_has_moved_is_found_and_has_to_be_recounted(cluster: RedisCluster, gate: Gate) -> None:
    """The new server's run id is not the one on which the sale was seeded, so data may have been lost in the move."""
    name = cluster.sale_on(1)
    await open_sale(gate, a_sale(name, customer_limit=5))
    await buy(gate, name)
    await cluster.hand_over(key_slot(name.encode()), 1, 2)
    assert await buy(gate, name) == "moved"
    snapshot = await gate.snapshot(name)
    assert snapshot is not None
    assert (snapshot.remaining, snapshot.backlog) == (9, 1)

    await gate.seed(a_sale(name, epoch=2))
    await gate.open(a_sale(name, epoch=2), remaining=9, backlog=1)
    assert (await gate.reserve(name, [a_purchase(sale=name)], FencingToken(2, 1))).result == "decided"


async def test_a_sale_whose_slot_is_being_moved_is_away_meanwhile(cluster: RedisCluster, gate: Gate) -> None:
    name = cluster.sale_on(1)
    await open_sale(gate, a_sale(name))
    slot = key_slot(name.encode())
    await cluster.begin_hand_over(slot, 1, 2)
    with pytest.raises(GateUnavailable, match="TryAgainError"):
        await buy(gate, name)
    await cluster.run(1, "CLUSTER SETSLOT", str(slot), "STABLE")
    assert await buy(gate, name) == "reserved"


async def test_a_primary_that_died_takes_its_own_sales_away_and_no_others(cluster: RedisCluster, gate: Gate) -> None:
    lost, kept = cluster.sale_on(1), cluster.sale_on(2)
    for name in (lost, kept):
        await cluster.run(cluster.primary_of(name), "CONFIG", "SET", "cluster-require-full-coverage", "no")
        await open_sale(gate, a_sale(name))
    cluster.servers[1].kill()
    with pytest.raises(GateUnavailable):
        await buy(gate, lost)
    assert await buy(gate, kept) == "reserved"


async def test_a_replica_that_was_elected_is_found(make_cluster: MakeCluster) -> None:
    cluster = await make_cluster(replica=True)
    redis = make_redis(cluster.url, "test", GateSettings(command_timeout_seconds=10))
    gate = Gate(redis, "test")
    name = cluster.sale_on(0)
    await open_sale(gate, a_sale(name))
    cluster.servers[0].kill()

    async def noticed() -> bool:
        try:
            return await buy(gate, name) == "moved"
        except GateUnavailable:
            return False

    await until(noticed)
    await redis.aclose()


async def test_each_primary_is_asked_whether_it_keeps_its_word(cluster: RedisCluster, redis: Redis) -> None:
    assert await durability_doubts(redis) == []
    await cluster.run(2, "CONFIG", "SET", "appendfsync", "everysec")
    (doubt,) = await durability_doubts(redis)
    assert "everysec" in doubt
    assert len(await servers(redis)) == 3


async def test_a_cluster_has_one_owner(redis: Redis) -> None:
    await claim(redis, "test", "ours")
    await claim(redis, "test", "ours")


async def test_what_has_no_key_is_not_asked_of_just_any_server(redis: Redis) -> None:
    with pytest.raises(TypeError, match="ask each of the primaries"):
        await redis.info()


async def test_a_cluster_of_which_nobody_answers_is_away() -> None:
    redis = make_redis("redis+cluster://127.0.0.1:1,127.0.0.1:2", "test", GateSettings())
    with pytest.raises(RedisConnectionError, match="No server of the cluster answers"):
        await redis.get("any")
    with pytest.raises(GateUnavailable):
        await claim(redis, "any", "ours")
    await redis.aclose()
