"""The connections that a purchase needs from the pool of its process."""

from dataclasses import replace

import pytest

from app.ledger.engine import make_engine
from app.strategies.dependencies import RegisteredStrategy, StrategyDependencies
from app.strategies.registry import STRATEGIES
from tests.strategies.sale import create_sale, won
from tests.support.patience import PATIENT_LEDGER
from tests.support.sales import a_purchase


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
async def test_a_purchase_needs_one_connection_at_a_time(
    strategy: type[RegisteredStrategy], dependencies: StrategyDependencies, database_url: str
) -> None:
    """If purchases held one connection while they wait for another, a crowd as large as the pool would deadlock."""
    engine = make_engine(database_url, "test", PATIENT_LEDGER, pool_size=1)
    instance = strategy.build(replace(dependencies, engine=engine))
    await create_sale(instance, dependencies, customer_limit=2)
    won(await instance.buy(a_purchase()))
    await instance.close()
    await engine.dispose()
