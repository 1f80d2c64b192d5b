"""Which strategy sells a name. A name keeps its strategy for ever, so that a process asks the ledger once."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping

from app.errors import AtomicTicketsError
from app.ledger.sales import SaleRepository
from app.sales.model import UnknownSale
from app.sales.recent import KNOWN_SALES, remember
from app.sales.strategy import Strategy

UNKNOWN_NAMES = 10_000
UNKNOWN_SECONDS = 1.0  # so long may a sale that somebody asked for too early stay unknown to this process
LOOKUPS_AT_ONCE = 4  # a flood of made-up names leaves most of the pool's connections to the buyers


class UnknownStrategy(AtomicTicketsError):
    status, slug, title = 422, "unknown-strategy", "Unknown Strategy"


def strategy_named(name: str, strategies: Mapping[str, Strategy]) -> Strategy:
    """Raises UnknownStrategy."""
    strategy = strategies.get(name)
    if strategy is None:
        raise UnknownStrategy(f"No strategy is called {name!r}; there are {', '.join(strategies)}.")
    return strategy


class SaleCatalog:
    """Sale names of one process. Whether a sale sells at all is decided by its strategy, never here."""

    def __init__(self, sales: SaleRepository, strategies: Mapping[str, Strategy]) -> None:
        self._sales = sales
        self._strategies = strategies
        self._known: OrderedDict[str, Strategy] = OrderedDict()
        self._unknown_until: OrderedDict[str, float] = OrderedDict()
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    def known(self, name: str) -> Strategy | None:
        """The strategy, where this process has asked before."""
        strategy = self._known.get(name)
        if strategy is not None:
            self._known.move_to_end(name)
        return strategy

    async def find(self, name: str) -> Strategy:
        """The strategy, from the ledger if need be. Raises UnknownSale, or LedgerUnavailable."""
        self._refuse_unknown(name)
        async with self._lookups:
            # Of a crowd that comes for the same name the first ones ask, and those that waited behind them don't.
            if (strategy := self.known(name)) is not None:
                return strategy
            self._refuse_unknown(name)
            sale = await self._sales.get(name)
        if sale is None:
            remember(self._unknown_until, name, time.monotonic() + UNKNOWN_SECONDS, UNKNOWN_NAMES)
            raise unknown(name)
        strategy = strategy_named(sale.terms.strategy, self._strategies)
        remember(self._known, name, strategy, KNOWN_SALES)
        return strategy

    def _refuse_unknown(self, name: str) -> None:
        if self._unknown_until.get(name, 0.0) > time.monotonic():
            raise unknown(name)


def unknown(name: str) -> UnknownSale:
    return UnknownSale(f"There is no sale {name!r}.")
