"""What the ways to sell from a counter in Redis have in common: the counter first, then the booking in Postgres.

Dying between the two leaks the tickets: they are neither sold nor left, and nobody looks for them. A commit whose
answer was lost leaks them as well, in place of selling them twice. Tickets that a purchase gives back, because its key
was booked meanwhile or the ledger failed it, were told sold out until then.

A counter that is gone is made from the ledger's bookings by the next purchase. Tickets that were taken and not yet
booked at that moment are sold once more: so many may be oversold. A counter that is back at an earlier number, on a
replica that took over, is believed, and all that it forgot is sold once more.
"""

from typing import ClassVar, NoReturn, Self

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.failpoints import failpoint
from app.ledger.availability import ledger_reachable
from app.ledger.purchases import Seen, book
from app.ledger.tally import tally
from app.sales.model import Purchase, Sale
from app.sales.outcomes import Reserved, SoldOut
from app.sales.strategy import Snapshot
from app.strategies.contention import Conflict
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken
from app.strategies.in_redis.counter import Counted, StockCounter


class CountedStrategy(LedgerStrategy):
    """`take` is the strategy's own. No row of the ledger makes purchases wait for each other."""

    locks_customer: ClassVar[bool] = True

    def __init__(self, engine: AsyncEngine, counter: StockCounter) -> None:
        super().__init__(engine)
        self.counter = counter

    @classmethod
    def build(cls, parts: StrategyDependencies) -> Self:
        return cls(parts.engine, StockCounter(parts.redis, parts.gate_settings.key_prefix))

    async def prepare(self, sale: Sale) -> None:
        """Seeds, or lets grow. What has ended is refused by the ledger, and its counter goes by itself."""
        if sale.ended_at is None:
            with ledger_reachable():
                async with self._engine.connect() as connection:
                    await self._seed(connection, sale.name, sale.round, sale.terms.stock)

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        counted = await self.counter.read(sale.name, sale.round)
        if counted is None:
            return None
        left = max(0, counted.left)
        return Snapshot(round=sale.round, epoch=sale.epoch, stock=counted.stock, remaining=left, backlog=0)

    async def complete(self, connection: AsyncConnection, purchase: Purchase, seen: Seen, taken: Taken) -> Reserved:
        """Gives the tickets back where nothing was inserted; after that only the commit knows."""
        await failpoint("after_decrement")
        reserved = None
        try:
            reserved = await book(connection, purchase, seen.round, taken.ticket)
        finally:
            if reserved is None:
                await self.counter.add(purchase.sale, seen.round, purchase.quantity)
        if reserved is None:
            raise Conflict("key")  # rolled back; the next attempt finds the booking, and answers with it
        await connection.commit()
        return reserved

    async def forgotten(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> NoReturn:
        """Redis has no such counter: it is made anew, and the purchase starts over."""
        await self._seed(connection, purchase.sale, seen.round, seen.stock)
        raise Conflict("forgotten")

    async def sold_out(self, connection: AsyncConnection, purchase: Purchase, seen: Seen, counted: Counted) -> SoldOut:
        """Unless the ledger's stock has grown: whoever should have told the counter may have died on the way."""
        if counted.stock < seen.stock:
            await self._seed(connection, purchase.sale, seen.round, seen.stock)
            raise Conflict("grown")
        return SoldOut(max(0, counted.left))

    async def _seed(self, connection: AsyncConnection, sale: str, round_: int, stock: int) -> None:
        booked = (await tally(connection, sale, round_)).booked
        await self.counter.seed(sale, round_, stock=stock, booked=booked)
