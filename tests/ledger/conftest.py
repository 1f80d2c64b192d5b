from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.engine import make_engine
from app.ledger.sales import SaleRepository
from app.settings import LedgerSettings


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database_url, "test", LedgerSettings(), pool_size=5)
    yield engine
    await engine.dispose()


@pytest.fixture
def sales(engine: AsyncEngine) -> SaleRepository:
    return SaleRepository(engine)
