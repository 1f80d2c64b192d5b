"""Every strategy that promises exactness keeps its promise: 1,000 buyers in two processes, 100 tickets, five times.

And what promises nothing breaks it, each time, with the pause that a sale has unless it is told otherwise.
"""

import pytest

from app.sales.model import SaleTerms
from app.sales.outcomes import SoldOut
from app.strategies.naive import NaiveStrategy
from app.strategies.naive_relative import NaiveRelativeStrategy
from app.strategies.protocol import AcceptedIn, RegisteredStrategy
from app.strategies.registry import STRATEGIES
from tests.fixtures.crowd import Crowd
from tests.strategies.toy import ToyStrategy

STOCK, BUYERS, REPEATS = 100, 1000, 5

# Of those that answer before the commit the tests are their own: a worker has to book first.
EXACT = [
    strategy
    for strategy in (*STRATEGIES.values(), ToyStrategy)
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


@pytest.mark.parametrize("strategy", [NaiveStrategy, NaiveRelativeStrategy], ids=lambda strategy: strategy.name)
async def test_what_promises_nothing_oversells_every_time(strategy: type[RegisteredStrategy], crowd: Crowd) -> None:
    think_ms = SaleTerms(name="any", strategy="any", stock=1).think_ms
    for sold in await crowd.rush(strategy, stock=10, buyers=100, repeats=REPEATS, think_ms=think_ms):
        assert sold.oversold > 0
        assert len(sold.accepted) == sold.tally.booked
        says_sold = sold.tally.stock - sold.snapshot.remaining
        # The one counter hides what happened, the other one tells it.
        assert (says_sold < sold.tally.booked) is (strategy is NaiveStrategy)
