"""`lua-fire-and-forget`: a script decides, and a task that nobody keeps account of books. The gate without its outbox.

How it works: one Lua script looks at replay, window, limit and stock, takes the tickets and remembers the answer; then
the API process publishes a Celery task with the order, and answers. A worker books it.
Guarantees: never oversold while Redis keeps its data. A message that reached the broker is booked once, through the
death of workers and an outage of the ledger of some minutes.
What breaks it: death of the API process between script and publication, a broker that is away then, or one that forgets
its queue. The tickets are gone, the order is nowhere, and a buyer who asks again with his key is told that he has won.
What is under way is in no counter, so that nobody can tell late from lost, and nothing is repaired. Terms that change
while Redis is away are followed when they change again. A Redis that forgets, or goes back to what a replica had, has
lost answers and sells tickets again; the ledger rejects the excess, and its buyers were told that they won.
Who uses it: the usual way of decoupling a request from its work, `task.delay()` after the decision.
Source: the dual write, https://microservices.io/patterns/data/transactional-outbox.html
"""

from typing import ClassVar, Self

from app.drain.published import OrderPublisher
from app.failpoints import failpoint
from app.gate.replies import GateBusy, GateForgot
from app.ledger.sales import SaleRepository
from app.sales.model import Purchase, ReservationId, Sale, UnknownSale
from app.sales.outcomes import Outcome
from app.sales.strategy import AcceptedIn, Snapshot
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_redis.standalone_counter import Sold, StandaloneCounter

MOST_UNDER_WAY = 4096  # purchases of one process that wait for Redis or the broker


class LuaFireAndForgetStrategy:
    """Asks the ledger for nothing while it sells."""

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
    def build(cls, parts: StrategyDependencies) -> Self:
        counter = StandaloneCounter(parts.redis, parts.gate_settings.key_prefix)
        return cls(counter, OrderPublisher(parts.broker_url), SaleRepository(parts.engine))

    async def buy(self, purchase: Purchase) -> Outcome:
        """Raises TemporarilyUnavailable also where the tickets are taken and the broker hasn't the order."""
        if self._under_way >= MOST_UNDER_WAY:
            raise GateBusy("Too many purchases are under way in this process; nothing was taken.")
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
        """Of an ended round too: its answers are still asked for."""
        booked = (await self._sales.tally(sale.name, sale.round)).booked
        await self._counter.follow(sale, booked)

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        return await self._counter.snapshot(sale.name)

    async def is_pending(self, reservation: ReservationId) -> bool:
        """As far as can be told: an order that was lost stays pending."""
        return await self._counter.has(reservation)

    async def close(self) -> None:
        await self._publisher.close()

    async def _sell(self, purchase: Purchase) -> Sold:
        """Makes the counter again if Redis has forgotten it."""
        sold = await self._counter.sell(purchase)
        if sold is None:
            sale = await self._sales.get(purchase.sale)
            if sale is None:
                raise UnknownSale(f"There is no sale {purchase.sale!r}.")
            await self.prepare(sale)
            sold = await self._counter.sell(purchase)
        if sold is None:
            raise GateForgot("The stock server forgot the sale again; nothing was taken.", "missing")
        return sold
