"""`lua-fire-and-forget`: A script decides, and a task without an outbox books the order.

How it works: One Lua script checks the replay, the window, the limit and the stock, takes the tickets and stores the
answer. Unlike the gate, it writes no order to a stream. Then the API process publishes a Celery task with the order,
and answers the buyer. A worker books the order.
Guarantees: It never oversells while Redis keeps its data. A message that reached the broker is booked once, even if
workers die or the ledger is away for some minutes.
What breaks it: The API process dies between script and publication, the broker is away at that moment, or the broker
loses its queue. The tickets are then taken, the order is in no store, and a buyer who asks again with the same key
receives the answer that the purchase won. No counter holds the orders under way, so a late order looks like a lost one,
and nothing is repaired. If terms change while Redis is away, Redis follows them only at the next change. A Redis that
loses data, or goes back to the state of a replica, has lost answers and sells tickets again; the ledger rejects the
excess, although its buyers received the answer that they had won.
Who uses it: The usual way to decouple a request from its work: `task.delay()` after the decision.
Source: the dual write, https://microservices.io/patterns/data/transactional-outbox.html
"""

from typing import ClassVar, Self

from app.drain.published import OrderPublisher
from app.failpoints import failpoint
from app.gate.replies import GateBusy, GateForgot
from app.ledger.sales import SaleRepository
from app.sales.model import Purchase, ReservationId, Sale, unknown_sale
from app.sales.outcomes import Outcome
from app.sales.strategy import AcceptedIn, Snapshot
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_redis.standalone_counter import Sold, StandaloneCounter

MAX_UNDER_WAY = 4096  # purchases of one process that wait for Redis or for the broker


class LuaFireAndForgetStrategy:
    """The strategy. It asks the ledger for nothing while it sells."""

    name: ClassVar[str] = "lua-fire-and-forget"
    promises_exactness: ClassVar[bool] = True
    sells_at_gate: ClassVar[bool] = False
    keeps_limit: ClassVar[bool] = True
    accepted_in: ClassVar[AcceptedIn] = AcceptedIn.PROCESS

    def __init__(self, counter: StandaloneCounter, publisher: OrderPublisher, sales: SaleRepository) -> None:
        self._counter = counter
        self._publisher = publisher
        self._sales = sales
        self._under_way = 0

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        counter = StandaloneCounter(dependencies.redis, dependencies.gate_settings.key_prefix)
        return cls(counter, OrderPublisher(dependencies.broker_url), SaleRepository(dependencies.engine))

    async def buy(self, purchase: Purchase) -> Outcome:
        """Decide one purchase and publish its order.

        Raise TemporarilyUnavailable if the outcome is unknown, and also if the tickets are taken and the broker does
        not have the order.
        """
        if self._under_way >= MAX_UNDER_WAY:
            raise GateBusy(
                "Too many purchases are under way in this process; nothing was taken. Retry with the same key."
            )
        self._under_way += 1
        try:
            sold = await self._sell(purchase)
            if sold.order is not None:
                await failpoint("after_decrement")
                await self._publisher.publish(sold.order)
        finally:
            self._under_way -= 1
        return sold.outcome

    async def prepare(self, sale: Sale) -> None:
        """Make the counter follow the ledger, for an ended round too: buyers still ask for its answers."""
        booked = (await self._sales.tally(sale.name, sale.round)).booked
        await self._counter.follow(sale, booked)

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        return await self._counter.snapshot(sale.name)

    async def is_pending(self, reservation: ReservationId) -> bool:
        """Return whether the order was accepted. A lost order stays pending, like a late one."""
        return await self._counter.has(reservation)

    async def close(self) -> None:
        await self._publisher.close()

    async def _sell(self, purchase: Purchase) -> Sold:
        """Decide one purchase at the counter. If Redis has lost the counter, rebuild it from the ledger first."""
        sold = await self._counter.sell(purchase)
        if sold is None:
            sale = await self._sales.get(purchase.sale)
            if sale is None:
                raise unknown_sale(purchase.sale)
            await self.prepare(sale)
            sold = await self._counter.sell(purchase)
        if sold is None:
            raise GateForgot(
                "The stock server lost the sale again; nothing was taken. Retry with the same key.", "missing"
            )
        return sold
