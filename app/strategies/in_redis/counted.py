"""The common part of the strategies that sell from a counter in Redis: first the counter, then the booking in Postgres.

Dying between the two leaks the tickets: they are neither sold nor left, and nothing repairs that. A commit whose answer
was lost leaks them as well, because giving them back might sell them twice. A purchase gives its tickets back if its
key was booked in the meantime or the ledger failed; until then other buyers may have been refused as sold out.

If the counter is gone, the next purchase rebuilds it from the ledger's bookings. Tickets that were taken and not yet
booked at that moment are sold once more, so as many may be oversold. A counter that went back to an earlier number, on
a replica that took over, is believed, and all tickets that it lost are sold once more.
"""

from typing import ClassVar, NoReturn, Self

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.failpoints import failpoint
from app.ledger.availability import ledger_reachable
from app.ledger.purchases import SaleState, book
from app.ledger.tally import tally
from app.sales.model import Purchase, Sale
from app.sales.outcomes import Reserved, SoldOut
from app.sales.strategy import Snapshot
from app.strategies.contention import Conflict
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken
from app.strategies.in_redis.counter import Counted, StockCounter


class CountedStrategy(LedgerStrategy):
    """A strategy that takes tickets from a counter in Redis.

    No row of the ledger makes its purchases wait for each other.
    """

    locks_customer: ClassVar[bool] = True

    def __init__(self, engine: AsyncEngine, counter: StockCounter) -> None:
        super().__init__(engine)
        self.counter = counter

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        return cls(dependencies.engine, StockCounter(dependencies.redis, dependencies.gate_settings.key_prefix))

    async def prepare(self, sale: Sale) -> None:
        """Seed the counter, or let it grow.

        The ledger refuses purchases of an ended sale, whose counter expires by itself.
        """
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

    async def complete(
        self, connection: AsyncConnection, purchase: Purchase, state: SaleState, taken: Taken
    ) -> Reserved:
        """Book the taken tickets and commit; give them back if no booking was inserted.

        After the insert only the commit decides, so a failed commit gives nothing back. Raise Conflict if the same key
        was booked in the meantime.
        """
        await failpoint("after_decrement")
        reserved = None
        try:
            reserved = await book(connection, purchase, state.round, taken.ticket)
        finally:
            if reserved is None:
                await self.counter.add(purchase.sale, state.round, purchase.quantity)
        if reserved is None:
            raise Conflict("key")  # rolled back; the next attempt finds the booking, and answers with it
        await connection.commit()
        return reserved

    async def rebuild(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> NoReturn:
        """Rebuild the counter that Redis has lost, and raise Conflict, so that the purchase starts over."""
        await self._seed(connection, purchase.sale, state.round, state.stock)
        raise Conflict("forgotten")

    async def sold_out(
        self, connection: AsyncConnection, purchase: Purchase, state: SaleState, counted: Counted
    ) -> SoldOut:
        """Return SoldOut, unless the ledger's stock has grown. Then let the counter grow and raise Conflict.

        The process that raised the stock may have died before it reached the counter.
        """
        if counted.stock < state.stock:
            await self._seed(connection, purchase.sale, state.round, state.stock)
            raise Conflict("grown")
        return SoldOut(max(0, counted.left))

    async def _seed(self, connection: AsyncConnection, sale: str, round_: int, stock: int) -> None:
        """Seed the counter with the stock less what the ledger has booked."""
        booked = (await tally(connection, sale, round_)).booked
        await self.counter.seed(sale, round_, stock=stock, booked=booked)
