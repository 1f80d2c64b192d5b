"""The strategy of each sale. A name keeps its strategy forever, so a process asks the ledger only once for a name."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping

from app.errors import AtomicTicketsError
from app.ledger.sales import SaleRepository
from app.sales.model import unknown_sale
from app.sales.recent import KNOWN_SALES, remember
from app.sales.strategy import Strategy

UNKNOWN_NAMES = 10_000
UNKNOWN_SECONDS = 1.0  # how long a sale that was requested before its creation may stay unknown to this process
LOOKUPS_AT_ONCE = 4  # so that a flood of made-up names leaves most of the pool's connections to the buyers


class UnknownStrategy(AtomicTicketsError):
    """No strategy has the name that a sale's terms ask for."""

    status, slug, title = 422, "unknown-strategy", "Unknown Strategy"


def strategy_named(name: str, strategies: Mapping[str, Strategy]) -> Strategy:
    """Return the strategy with this name. Raise UnknownStrategy if there is none."""
    strategy = strategies.get(name)
    if strategy is None:
        raise UnknownStrategy(f"There is no strategy {name!r}. Use one of {', '.join(strategies)}.")
    return strategy


class SaleCatalog:
    """The names of sales that one process knows. Whether a sale sells at all is decided by its strategy, never here."""

    def __init__(self, sales: SaleRepository, strategies: Mapping[str, Strategy]) -> None:
        self._sales = sales
        self._strategies = strategies
        self._known: OrderedDict[str, Strategy] = OrderedDict()
        self._unknown_until: OrderedDict[str, float] = OrderedDict()
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    def known(self, name: str) -> Strategy | None:
        """Return the sale's strategy if this process has found it before, or None. Never ask the ledger."""
        strategy = self._known.get(name)
        if strategy is not None:
            self._known.move_to_end(name)
        return strategy

    async def find(self, name: str) -> Strategy:
        """Return the sale's strategy, from the ledger if necessary. Raise UnknownSale or LedgerUnavailable."""
        self._refuse_unknown(name)
        async with self._lookups:
            # If a crowd asks for one name, only the first lookups reach the ledger; those behind them find it known.
            if (strategy := self.known(name)) is not None:
                return strategy
            self._refuse_unknown(name)
            sale = await self._sales.get(name)
        if sale is None:
            remember(self._unknown_until, name, time.monotonic() + UNKNOWN_SECONDS, UNKNOWN_NAMES)
            raise unknown_sale(name)
        strategy = strategy_named(sale.terms.strategy, self._strategies)
        remember(self._known, name, strategy, KNOWN_SALES)
        return strategy

    def _refuse_unknown(self, name: str) -> None:
        if self._unknown_until.get(name, 0.0) > time.monotonic():
            raise unknown_sale(name)
