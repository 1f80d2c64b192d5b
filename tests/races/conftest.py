import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.attempts import AttemptRepository


@pytest.fixture
def ledger(engine: AsyncEngine) -> AttemptRepository:
    return AttemptRepository(engine)
