"""The ways to sell that this release knows."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.hints import Hints
from app.gate.gate import Gate
from app.ledger.receipts import ReceiptRepository
from app.ledger.sales import SaleRepository
from app.settings import GateSettings
from app.strategies.atomic import AtomicStrategy
from app.strategies.naive import NaiveStrategy
from app.strategies.protocol import Strategy

STRATEGIES: Mapping[str, type[Strategy]] = {strategy.name: strategy for strategy in (NaiveStrategy, AtomicStrategy)}
"""By name, for who asks what a strategy promises and sells nothing."""


def build_strategies(
    *,
    engine: AsyncEngine,
    gate: Gate,
    sales: SaleRepository,
    receipts: ReceiptRepository,
    hints: Hints,
    settings: GateSettings,
) -> Mapping[str, Strategy]:
    """One instance of each, by name, for one process."""
    strategies: list[Strategy] = [
        NaiveStrategy(engine),
        AtomicStrategy(gate=gate, sales=sales, receipts=receipts, engine=engine, hints=hints, settings=settings),
    ]
    return {strategy.name: strategy for strategy in strategies}


def strategy_names() -> tuple[str, ...]:
    return tuple(STRATEGIES)
