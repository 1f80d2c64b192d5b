"""A box office of its own for each test."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.engine import make_engine
from app.settings import LedgerSettings
from tests.reconcile.box_office import BoxOffice


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database_url, "test", LedgerSettings(), pool_size=5)
    yield engine
    await engine.dispose()


@pytest.fixture
async def office(stock_redis: Redis, key_prefix: str, engine: AsyncEngine) -> BoxOffice:
    return BoxOffice(stock_redis, key_prefix, engine)
