"""Functions that create and inspect a sale, for tests of one strategy."""

import secrets
from dataclasses import replace
from typing import Any

from app.ledger.sales import SaleRepository
from app.ledger.tally import Tally
from app.sales.model import Purchase, Sale, SaleTerms
from app.sales.outcomes import Outcome, Reserved
from app.sales.strategy import Strategy
from app.strategies.contention import Contention
from app.strategies.dependencies import StrategyDependencies


async def create_sale(
    strategy: Strategy, dependencies: StrategyDependencies, *, stock: int = 5, think_ms: int = 0, **terms: Any
) -> Sale:
    """Create the sale `drop` and prepare the strategy for it."""
    asked = SaleTerms(name="drop", strategy=strategy.name, stock=stock, think_ms=think_ms, **terms)
    sale = (await SaleRepository(dependencies.engine).create(asked, guarded=strategy.promises_exactness)).sale
    await strategy.prepare(sale)
    return sale


async def tally_of(dependencies: StrategyDependencies, sale: Sale) -> Tally:
    return await SaleRepository(dependencies.engine).tally(sale.name, sale.round)


async def remaining(strategy: Strategy, sale: Sale) -> int:
    """Return the tickets that remain by the strategy's own counter."""
    snapshot = await strategy.snapshot(sale)
    assert snapshot is not None
    return snapshot.remaining


def won(outcome: Outcome) -> Reserved:
    assert isinstance(outcome, Reserved)
    return outcome


async def insist(strategy: Strategy, purchase: Purchase) -> Outcome:
    """Buy, and try again on contention, with the same key and a new nonce, as a client's next request does."""
    while True:
        try:
            return await strategy.buy(purchase)
        except Contention:
            purchase = replace(purchase, nonce=secrets.token_hex(8))
