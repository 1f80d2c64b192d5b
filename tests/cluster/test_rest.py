"""Many sales at once, and an operator that has nothing to do."""

import statistics
import time

import psutil
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from flashsale_operator.settings import OperatorSettings
from tests.cluster.installation import Installation
from tests.cluster.manifests import flashsale, quick
from tests.cluster.operator_process import RECONCILIATIONS
from tests.cluster.statuses import condition

pytestmark = pytest.mark.cluster

REQUESTS = "atomictickets_operator_api_requests_total"
WRITTEN = text("""
    SELECT 'sales', ctid::text, xmin::text FROM sales
    UNION ALL SELECT 'inventory', ctid::text, xmin::text FROM inventory ORDER BY 1, 2
""")
AS_DEPLOYED = {
    f"OPERATOR_{name.upper()}": str(OperatorSettings.model_fields[name].default)
    for name in (
        "lease_seconds",
        "renew_deadline_seconds",
        "retry_period_seconds",
        "resync_seconds",
        "absence_grace_seconds",
        "poll_seconds",
        "stabilization_seconds",
    )
}
WRITES = {"hset", "hincrby", "set", "xadd", "xdel", "xack", "expire", "expireat", "persist", "unlink", "del", "sadd"}


async def test_reconciling_an_unchanged_sale_writes_nothing(
    running: Installation, stock_redis: Redis, engine: AsyncEngine
) -> None:
    running.api.create(quick(perCustomerLimit=2, closesAt="2099-01-01T00:00:00Z"))
    running.until_status(
        lambda status: status.get("phase") == "Open" and condition(status, "WorkersAvailable")[0] != "Unknown"
    )
    running.operators[0].until_reconciled(3)
    before = running.sale(), await commands(stock_redis), await written(engine)
    running.operators[0].until_reconciled(5)
    assert (running.sale(), await commands(stock_redis), await written(engine)) == before
    await stock_redis.hset("control", "a", "b")
    assert await commands(stock_redis) != before[1]


@pytest.mark.thorough
@pytest.mark.usefixtures("no_forks")  # the operator's memory is measured
def test_two_hundred_sales_are_ready_within_a_minute_and_then_it_is_quiet(installation: Installation) -> None:
    interval = {"reconcile": {"intervalSeconds": 10}}
    installation.set_up()
    operator = installation.start_operator(**AS_DEPLOYED)
    installation.until(lambda: installation.holder() != "")
    began = time.monotonic()
    installation.api.create(*(flashsale(f"drop-{number}", interval) for number in range(200)))
    applied = time.monotonic()
    installation.until(lambda: all_ready(installation))
    ready = time.monotonic()
    operator.until_reconciled(400)
    requests, reconciled, at = operator.metric(REQUESTS), operator.metric(RECONCILIATIONS), time.monotonic()
    process = psutil.Process(operator.pid)
    seconds = sum(process.cpu_times()[:2])
    operator.until_reconciled(400)
    elapsed = time.monotonic() - at
    per_minute = (operator.metric(REQUESTS) - requests) / elapsed * 60
    per_second = (operator.metric(RECONCILIATIONS) - reconciled) / elapsed
    busy = (sum(process.cpu_times()[:2]) - seconds) / elapsed
    megabytes = process.memory_info().rss / 2**20
    print(
        f"applied in {applied - began:.1f} s, ready after {ready - began:.1f} s; at rest "
        f"{per_minute:.0f} requests/min, {per_second:.1f} reconciliations/s, {busy:.0%} CPU, {megabytes:.0f} MB"
    )
    assert per_minute < 80
    assert per_second < 30
    assert megabytes < 180  # 164 at the time of writing, of which 45 are those of the Kubernetes client


@pytest.mark.thorough
def test_a_sale_opens_soon_after_it_is_applied(running: Installation) -> None:
    running.until(lambda: running.holder() != "")
    took = []
    for number in range(10):
        began = time.monotonic()
        running.api.create(quick(f"drop-{number}"))
        running.until_phase("Open", f"drop-{number}")
        took.append(time.monotonic() - began)
    print(f"open after {statistics.median(took):.2f} s (median), {max(took):.2f} s (most)")


def all_ready(installation: Installation) -> bool:
    sales = installation.api.all("flashsale")
    return all(condition(sale.get("status", {}), "Ready")[0] == "True" for sale in sales)


async def commands(redis: "Redis") -> dict[str, int]:
    """Return how often each command that writes was called since the server started, in scripts too."""
    stats = await redis.info("commandstats")
    return {name[8:]: values["calls"] for name, values in stats.items() if name[8:] in WRITES}


async def written(engine: AsyncEngine) -> list[tuple[str, ...]]:
    """Return the versions of all rows, which each write changes. The server's statistics arrive a second late."""
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(WRITTEN)]
