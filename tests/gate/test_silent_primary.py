"""One primary of a Redis Cluster stands still and answers nothing. The sales on the others do not wait for it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.gate import cluster as cluster_client
from app.gate.cluster import ClusterRedis
from app.gate.connection import make_redis
from app.settings import GateSettings
from tests.fixtures.cluster import MakeCluster
from tests.support.redis_cluster import RedisCluster

SILENT, HEALTHY = 0, 1
CALLS = 20
SILENT_SECONDS = 2.0  # of a command on the silent primary; the others take milliseconds


@pytest.fixture
async def cluster(make_cluster: MakeCluster) -> RedisCluster:
    return await make_cluster()


@pytest.fixture
async def redis(cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ClusterRedis]:
    """Yield a client that may read the layout at any time, and has connections to all primaries.

    After the connections are made, the silent primary is stopped.
    """
    monkeypatch.setattr(cluster_client, "REFRESH_INTERVAL_SECONDS", 0.0)
    redis = make_redis(cluster.url, "test", GateSettings(command_timeout_seconds=SILENT_SECONDS))
    assert isinstance(redis, ClusterRedis)
    for index in range(3):
        await redis.get(cluster.sale_on(index))
    psutil.Process(cluster.servers[SILENT].pid).suspend()
    yield redis
    await redis.aclose()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the tasks that waited for a read of the layout, in their order."""
    names: list[str] = []
    read = ClusterRedis._refresh_layout  # noqa: SLF001  observed, not called

    async def observed(client: ClusterRedis, **options: Any) -> None:
        task = asyncio.current_task()
        names.append(task.get_name() if task else "")
        await read(client, **options)

    monkeypatch.setattr(ClusterRedis, "_refresh_layout", observed)
    return names


async def call_both(cluster: RedisCluster, redis: ClusterRedis) -> None:
    """Call the silent primary twice, and after each failure the healthy one CALLS times, in tasks of these names."""

    async def silent() -> None:
        for _ in range(2):
            with pytest.raises(RedisError):
                await redis.get(cluster.sale_on(SILENT))
            await asyncio.create_task(healthy(), name="healthy")

    async def healthy() -> None:
        for _ in range(CALLS):
            await redis.get(cluster.sale_on(HEALTHY))

    await asyncio.create_task(silent(), name="silent")


async def test_only_calls_to_the_silent_primary_wait_for_the_layout(
    cluster: RedisCluster, redis: ClusterRedis, reads: list[str]
) -> None:
    await call_both(cluster, redis)
    assert reads == ["silent"]  # before its second call


async def test_if_one_failure_made_the_whole_layout_stale_healthy_sales_would_wait(
    cluster: RedisCluster, redis: ClusterRedis, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""

    def whole(client: ClusterRedis, _server: Redis | None) -> bool:
        return any(at >= client._refreshed_at for at in client._failed_at.values())  # noqa: SLF001  the former rule

    monkeypatch.setattr(ClusterRedis, "_in_doubt", whole)
    await call_both(cluster, redis)
    assert "healthy" in reads


async def test_the_layout_is_asked_of_servers_that_answer(
    cluster: RedisCluster, redis: ClusterRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RedisError):
        await redis.get(cluster.sale_on(SILENT))
    asked = []
    execute = Redis.execute_command

    async def observed(server: Redis, *args: Any, **options: Any) -> Any:
        asked.append(server.connection_pool.connection_kwargs["port"])
        return await execute(server, *args, **options)  # type: ignore[no-untyped-call]  # redis-py does not type it

    monkeypatch.setattr(Redis, "execute_command", observed)
    for _ in range(CALLS):
        await redis.primaries()
    assert len(asked) == CALLS
    assert cluster.servers[SILENT].port not in asked


async def test_a_primary_that_answers_again_is_trusted_again(
    cluster: RedisCluster, redis: ClusterRedis, reads: list[str]
) -> None:
    with pytest.raises(RedisError):
        await redis.get(cluster.sale_on(SILENT))
    psutil.Process(cluster.servers[SILENT].pid).resume()
    for _ in range(CALLS):
        await redis.get(cluster.sale_on(SILENT))
    assert len(reads) == 1
