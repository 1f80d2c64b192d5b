"""Create, reset, pause, end and show sales. The ledger is the truth; the store from which they sell follows it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from app.errors import TemporarilyUnavailable
from app.ledger.sales import Creation, SaleExists, SaleRepository
from app.sales.managed import refuse_end, refuse_other_terms, refuse_pause, refuse_reset
from app.sales.model import Sale, SaleTerms, unknown_sale
from app.sales.strategy import Snapshot, Strategy
from app.services.catalog import strategy_named
from app.services.sale_view import SaleView

log = structlog.get_logger()


class SalesService:
    """The sales of an installation. Each method raises LedgerUnavailable if Postgres is away.

    Changes are refused for sales that a resource manages. A change stands once the ledger has committed it. If the
    strategy's store is away at that moment, the caller is answered all the same: a refusal would be wrong, since the
    name is taken. The phase Degraded shows that nothing can be bought yet, and the reconciler makes the gate follow as
    soon as it is back. A counter of a strategy's own follows at the next purchase or, of `lua-fire-and-forget`, change.
    """

    def __init__(self, sales: SaleRepository, strategies: Mapping[str, Strategy]) -> None:
        self._sales = sales
        self._strategies = strategies

    async def create(self, terms: SaleTerms) -> Creation:
        """Create a sale, or start the next round of an ended one.

        A live sale with the same terms is returned unchanged. Raise SaleExists, ManagedByResource or UnknownStrategy.
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
        """Return the sale. Raise UnknownSale."""
        sale = await self._sales.get(name)
        if sale is None:
            raise unknown_sale(name)
        return sale

    async def page(self, after: str = "", limit: int = 100) -> list[Sale]:
        """Return up to `limit` sales in the order of their names, after the name `after`. Include ended ones."""
        return await self._sales.page(after, limit)

    async def active(self, after: str = "", limit: int = 100) -> list[Sale]:
        """Return the same as `page`, without the ended sales for which nothing is left to do."""
        return await self._sales.active(after, limit)

    async def reset(self, name: str, stock: int | None = None) -> Sale:
        """Start the next round, with the same stock if `stock` is None.

        Raise UnknownSale, SaleEnded or ManagedByResource.
        """
        refuse_reset(await self.get(name), stock)
        following = await self._sales.next_round(name, stock)
        await self._follow(following)
        return following

    async def set_paused(self, name: str, *, paused: bool) -> Sale:
        """Pause the sale, or resume it. Raise UnknownSale, SaleEnded or ManagedByResource."""
        refuse_pause(await self.get(name), paused=paused)
        changed = await self._sales.set_paused(name, paused=paused)
        await self._follow(changed)
        return changed

    async def end(self, name: str) -> Sale:
        """End the sale, unless it has ended already. Raise UnknownSale or ManagedByResource."""
        refuse_end(await self.get(name))
        ended = await self._sales.end(name)
        await self._follow(ended)
        return ended

    async def view(self, name: str) -> SaleView:
        """Return the sale as the HTTP API shows it. Raise UnknownSale.

        The counter is read first and the ledger last: an order that is booked in between counts twice and is never
        missed.
        """
        sale = await self.get(name)
        snapshot = await self._snapshot(sale)
        tally = await self._sales.tally(name, sale.round)
        sale = replace(sale, epoch=tally.epoch)
        unchanged = snapshot is not None and snapshot == await self._snapshot(sale)
        return SaleView.of(sale, snapshot, tally, unchanged=unchanged, now=datetime.now(UTC))

    async def _snapshot(self, sale: Sale) -> Snapshot | None:
        strategy = self._strategies.get(sale.terms.strategy)
        if strategy is None:
            return None  # the strategy is of a newer release: the sale is shown as if its counter were away
        try:
            return await strategy.snapshot(sale)
        except TemporarilyUnavailable:
            return None  # the sale is shown without a counter, as Degraded

    async def _follow(self, sale: Sale) -> None:
        """Make the strategy's store follow the ledger. If the store is away, only log it."""
        strategy = self._strategies.get(sale.terms.strategy)
        if strategy is None:
            log.warning("this release does not know the sale's strategy", sale=sale.name, strategy=sale.terms.strategy)
            return
        try:
            await strategy.prepare(sale)
        except TemporarilyUnavailable as error:
            log.warning("the sale's counter does not follow the ledger yet", sale=sale.name, error=error.detail)
