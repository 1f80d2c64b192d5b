"""Stores for the operator, and buyers of the sale `drop`."""

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.reconcile.box_office import BoxOffice


@pytest.fixture
async def office(stock_redis: Redis, key_prefix: str, engine: AsyncEngine) -> BoxOffice:
    """Buyers of the sale `drop`, and a drain that moves by the step."""
    return BoxOffice(stock_redis, key_prefix, engine)


@pytest.fixture
def environment(redis_url: str, broker_url: str, database_url: str, key_prefix: str) -> dict[str, str]:
    """The stores of this test, with more patience than production's: the machine is shared."""
    return {
        "REDIS_URL": redis_url,
        "BROKER_URL": broker_url,
        "DATABASE_URL": database_url,
        "GATE_KEY_PREFIX": key_prefix,
        "GATE_CONNECT_TIMEOUT_SECONDS": "5",
        "GATE_COMMAND_TIMEOUT_SECONDS": "5",
    }
