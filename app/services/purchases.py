"""Pass each purchase to the strategy of its sale."""

from app.sales.model import Purchase
from app.sales.outcomes import Outcome
from app.services.catalog import SaleCatalog
from app.services.tracing import describe


class PurchaseService:
    """The hot path of a purchase: one lookup in the catalog, and the strategy's own work."""

    def __init__(self, catalog: SaleCatalog) -> None:
        self._catalog = catalog

    async def buy(self, purchase: Purchase) -> Outcome:
        """Return the outcome of the purchase.

        Raise UnknownSale, TemporarilyUnavailable if the outcome is unknown or nothing was taken, or DecisionFailed.
        """
        strategy = self._catalog.known(purchase.sale) or await self._catalog.find(purchase.sale)
        outcome = await strategy.buy(purchase)
        if purchase.traceparent:
            describe(purchase, strategy.name, outcome)
        return outcome
