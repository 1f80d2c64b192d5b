"""Strategies that sell from keys in Redis find them on a Redis Cluster too, on any of its primaries."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.ledger.sales import SaleRepository
from app.sales.model import SaleTerms
from app.sales.outcomes import Reserved, SoldOut
from app.strategies.dependencies import StrategyDependencies
from app.strategies.registry import build_strategies
from tests.fixtures.cluster import MakeCluster
from tests.support.redis_cluster import RedisCluster
from tests.support.sales import a_purchase

IN_REDIS = (
    *("redis-decr", "redis-watch", "redis-lock", "redis-lock-fenced"),
    *("gate-and-guard", "lua-fire-and-forget", "atomic", "function"),
)


@pytest.fixture
async def cluster(make_cluster: MakeCluster) -> RedisCluster:
    return await make_cluster()


@pytest.fixture
async def on_cluster(dependencies: StrategyDependencies, cluster: RedisCluster) -> AsyncIterator[StrategyDependencies]:
    redis = make_redis(cluster.url, "test", dependencies.gate_settings)
    yield replace(dependencies, redis=redis, gate=Gate(redis, dependencies.gate_settings.key_prefix))
    await redis.aclose()


async def test_each_sells_on_every_primary(cluster: RedisCluster, on_cluster: StrategyDependencies) -> None:
    strategies = build_strategies(on_cluster)
    sales = SaleRepository(on_cluster.engine)
    for name in IN_REDIS:
        strategy = strategies[name]
        for primary in range(3):
            drop = cluster.sale_on(primary, named=name)
            terms = SaleTerms(name=drop, strategy=name, stock=2, think_ms=0)
            sale = (await sales.create(terms, guarded=strategy.promises_exactness)).sale
            await strategy.prepare(sale)
            outcomes = [type(await strategy.buy(a_purchase(sale=drop))) for _ in range(3)]
            assert outcomes == [Reserved, Reserved, SoldOut], name
            snapshot = await strategy.snapshot(sale)
            assert snapshot is not None
            assert snapshot.remaining == 0
    for strategy in strategies.values():
        await strategy.close()
