"""Many sales at once, and what the operator does when there is nothing to do."""

import asyncio
import statistics
import time

import psutil
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.flashsale_operator.cluster.kubectl import Namespace, flashsale, is_phase, is_true
from tests.flashsale_operator.cluster.operator_process import OperatorProcess

TURNS = "atomictickets_operator_reconcile_seconds_count"
REQUESTS = "atomictickets_operator_api_requests_total"
WRITTEN = text("""
    SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname IN ('sales', 'inventory')
""")
WRITES = {"hset", "hincrby", "set", "xadd", "xdel", "xack", "expire", "expireat", "persist", "unlink", "del", "sadd"}


async def commands(redis: "Redis") -> dict[str, int]:
    """Calls of each command that writes, since the server was started; those in scripts too."""
    stats = await redis.info("commandstats")
    return {name[8:]: values["calls"] for name, values in stats.items() if name[8:] in WRITES}


async def turned(operator: OperatorProcess, turns: int) -> None:
    """Waits until the operator has taken so many more turns."""
    until = await operator.metric(TURNS) + turns
    async with asyncio.timeout(60):
        while await operator.metric(TURNS) < until:  # noqa: ASYNC110  it comes true in another process
            await asyncio.sleep(0.2)


async def test_turns_of_an_unchanged_sale_write_nothing(
    namespace: Namespace, operator: OperatorProcess, stock_redis: Redis, engine: AsyncEngine
) -> None:
    await namespace.apply(flashsale(perCustomerLimit=2, closesAt="2099-01-01T00:00:00Z"))
    await namespace.until(is_phase("Open"))
    await turned(operator, 3)
    before = await namespace.sale(), await commands(stock_redis), await written(engine)
    await turned(operator, 5)
    assert (await namespace.sale(), await commands(stock_redis), await written(engine)) == before
    await stock_redis.hset("control", "a", "b")
    assert await commands(stock_redis) != before[1]


async def written(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        return [int(row[0]) for row in await connection.execute(WRITTEN)]


@pytest.mark.timeout(300)
async def test_two_hundred_sales_are_ready_within_a_minute_and_then_it_is_quiet(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    began = time.monotonic()
    await namespace.apply(*(flashsale(f"drop-{number}", reconcile={"intervalSeconds": 10}) for number in range(200)))
    applied = time.monotonic()
    async with asyncio.timeout(60):
        while not all(is_true("Ready")(sale) for sale in await namespace.list("flashsales")):  # noqa: ASYNC110  it comes true in another process
            await asyncio.sleep(0.5)
    ready = time.monotonic()
    await turned(operator, 400)
    requests, turns, at = await operator.metric(REQUESTS), await operator.metric(TURNS), time.monotonic()
    cpu = psutil.Process(operator.pid)
    seconds = sum(cpu.cpu_times()[:2])
    await turned(operator, 600)
    elapsed = time.monotonic() - at
    per_minute = (await operator.metric(REQUESTS) - requests) / elapsed * 60
    turns_per_second = (await operator.metric(TURNS) - turns) / elapsed
    busy = (sum(cpu.cpu_times()[:2]) - seconds) / elapsed
    megabytes = cpu.memory_info().rss / 2**20
    print(
        f"applied in {applied - began:.1f} s, ready after {ready - began:.1f} s; at rest "
        f"{per_minute:.0f} requests/min, {turns_per_second:.1f} turns/s, {busy:.0%} CPU, {megabytes:.0f} MB"
    )
    assert per_minute < 100
    assert turns_per_second < 30
    assert megabytes < 150


@pytest.mark.usefixtures("operator")
async def test_a_sale_opens_soon_after_it_is_applied(namespace: Namespace) -> None:
    took = []
    for number in range(10):
        began = time.monotonic()
        await namespace.apply(flashsale(f"drop-{number}"))
        await namespace.until(is_phase("Open"), f"drop-{number}")
        took.append(time.monotonic() - began)
    print(f"open after {statistics.median(took):.2f} s (median), {max(took):.2f} s (most), kubectl included")
