"""Fixtures for a sale in real stores, and for drains that book its orders."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.drain import Drain
from app.gate.connection import make_redis
from app.settings import DrainSettings
from tests.support.patience import PATIENT_GATE
from tests.support.sale_stream import SaleStream

MakeDrain = Callable[..., Drain]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = make_redis(redis_url, "test", PATIENT_GATE)
    yield client
    await client.aclose()


@pytest.fixture
def sale_stream(redis: "Redis", engine: AsyncEngine, key_prefix: str) -> SaleStream:
    """Return a sale that is not open yet."""
    return SaleStream(redis, engine, key_prefix)


@pytest.fixture
def make_drain(redis: "Redis", engine: AsyncEngine, key_prefix: str) -> MakeDrain:
    """Return a function that makes a drain for a consumer. `settings` are DRAIN_ settings.

    By default the drain claims the entries of another consumer at once.
    """

    def make(consumer: str = "worker-1", kind: type[Drain] = Drain, **settings: Any) -> Drain:
        settings = {"claim_idle_seconds": 0.001} | settings
        return kind(redis, engine, DrainSettings(**settings), key_prefix=key_prefix, consumer=consumer)

    return make
