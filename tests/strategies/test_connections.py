"""What a purchase needs of the pool of its process."""

from dataclasses import replace

import pytest

from app.ledger.engine import make_engine
from app.settings import LedgerSettings
from app.strategies.protocol import Parts, RegisteredStrategy
from app.strategies.registry import STRATEGIES
from tests.fixtures.gate import a_purchase
from tests.strategies.stage import stage, won


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
async def test_a_purchase_needs_one_connection_at_a_time(
    strategy: type[RegisteredStrategy], parts: Parts, database_url: str
) -> None:
    """If it held one while it waited for another, a crowd as large as the pool would wait for itself."""
    engine = make_engine(database_url, "test", LedgerSettings(pool_size=1))
    desk = strategy.build(replace(parts, engine=engine))
    await stage(desk, parts, customer_limit=2)
    won(await desk.buy(a_purchase()))
    await desk.close()
    await engine.dispose()
