"""The life of a sale: created, reset, ended, told. The ledger is the truth, and what sells it is made to follow."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from app.errors import TemporarilyUnavailable
from app.ledger.sales import Creation, SaleExists, SaleRepository
from app.sales.managed import refuse_end, refuse_other_terms, refuse_reset
from app.sales.model import Sale, SaleTerms, UnknownSale
from app.sales.strategy import Snapshot, Strategy
from app.services.catalog import strategy_named
from app.services.sale_view import SaleView

log = structlog.get_logger()


class SalesService:
    """Changes are refused for sales that a resource manages. Raises LedgerUnavailable where Postgres is away.

    A change stands once the ledger has it. Where the strategy's store is away at that moment the caller has his answer
    all the same: a refusal would be a lie, since the name is taken. The phase tells that nothing can be bought yet
    (Degraded), and the reconciliation makes the store follow as soon as it is back.
    """

    def __init__(self, sales: SaleRepository, strategies: Mapping[str, Strategy]) -> None:
        self._sales = sales
        self._strategies = strategies

    async def create(self, terms: SaleTerms) -> Creation:
        """Creates a sale, or starts the next round of an ended one.

        The same terms on a live sale are its creation again, and nothing happens. Raises SaleExists,
        ManagedByResource, UnknownStrategy.
        """
        strategy = strategy_named(terms.strategy, self._strategies)
        try:
            creation = await self._sales.create(terms, guarded=strategy.promises_exactness)
        except SaleExists as error:
            refuse_other_terms(error.sale, terms)
            raise
        await self._follow(creation.sale)
        return creation

    async def get(self, name: str) -> Sale:
        """Raises UnknownSale."""
        sale = await self._sales.get(name)
        if sale is None:
            raise UnknownSale(f"There is no sale {name!r}.")
        return sale

    async def page(self, after: str = "", limit: int = 100) -> list[Sale]:
        """Up to `limit` sales by name, from the one that follows `after`; ended ones too."""
        return await self._sales.page(after, limit)

    async def active(self, after: str = "", limit: int = 100) -> list[Sale]:
        """As `page`, without the ended sales of which nothing is left to do."""
        return await self._sales.active(after, limit)

    async def reset(self, name: str, stock: int | None = None) -> Sale:
        """Starts the next round, with the same stock if none is named.

        Raises UnknownSale, SaleEnded, ManagedByResource.
        """
        refuse_reset(await self.get(name), stock)
        following = await self._sales.next_round(name, stock)
        await self._follow(following)
        return following

    async def end(self, name: str) -> Sale:
        """Ends the sale, once. Raises UnknownSale, ManagedByResource."""
        refuse_end(await self.get(name))
        ended = await self._sales.end(name)
        await self._follow(ended)
        return ended

    async def view(self, name: str) -> SaleView:
        """Reads the counter first and the ledger last: an order in between is counted twice, never missed."""
        sale = await self.get(name)
        snapshot = await self._snapshot(sale)
        tally = await self._sales.tally(name, sale.round)
        sale = replace(sale, epoch=tally.epoch)
        still = snapshot is not None and snapshot == await self._snapshot(sale)
        return SaleView.of(sale, snapshot, tally, still=still, now=datetime.now(UTC))

    async def _snapshot(self, sale: Sale) -> Snapshot | None:
        strategy = self._strategies.get(sale.terms.strategy)
        if strategy is None:
            return None  # of a newer release: shown without a counter, as one whose store is away
        try:
            return await strategy.snapshot(sale)
        except TemporarilyUnavailable:
            return None  # shown: without a counter the sale is Degraded

    async def _follow(self, sale: Sale) -> None:
        strategy = self._strategies.get(sale.terms.strategy)
        if strategy is None:
            log.warning("this release does not know the sale's strategy", sale=sale.name, strategy=sale.terms.strategy)
            return
        try:
            await strategy.prepare(sale)
        except TemporarilyUnavailable as error:
            log.warning("the sale's counter does not follow the ledger yet", sale=sale.name, error=error.detail)
