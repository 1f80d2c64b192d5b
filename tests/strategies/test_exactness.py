"""Every strategy that promises exactness keeps its promise: 1,000 buyers in two processes, 100 tickets, five times."""

import pytest

from app.sales.outcomes import SoldOut
from app.strategies.protocol import AcceptedIn, RegisteredStrategy
from app.strategies.registry import STRATEGIES
from tests.fixtures.crowd import Crowd

STOCK, BUYERS, REPEATS = 100, 1000, 5

# Of those that answer before the commit the tests are their own: a worker has to book first.
EXACT = [
    strategy
    for strategy in STRATEGIES.values()
    if strategy.promises_exactness and strategy.accepted_in is AcceptedIn.LEDGER
]


@pytest.mark.parametrize("strategy", EXACT, ids=lambda strategy: strategy.name)
async def test_a_crowd_is_sold_exactly_the_stock(strategy: type[RegisteredStrategy], crowd: Crowd) -> None:
    for sold in await crowd.rush(strategy, stock=STOCK, buyers=BUYERS, repeats=REPEATS):
        assert (sold.oversold, sold.undersold) == (0, 0)
        assert sold.snapshot.remaining == 0
        assert len(sold.accepted) == STOCK
        assert {type(outcome) for outcome in sold.refused} == {SoldOut}
        assert len(sold.accepted) + len(sold.refused) == BUYERS
