"""A box office of its own for each test."""

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.reconcile.box_office import BoxOffice


@pytest.fixture
async def office(stock_redis: Redis, key_prefix: str, engine: AsyncEngine) -> BoxOffice:
    return BoxOffice(stock_redis, key_prefix, engine)
