"""`gate-and-guard`: Redis admits about as many purchases as there are tickets, and a write in the ledger decides.

How it works: A number in Redis is set to the tickets that the ledger has left, and lives one second. Each purchase
subtracts from it, and a purchase that finds too few tries again a little later. An admitted purchase sells by
UPDATE ... WHERE remaining >= n and books, in one transaction. Only the ledger answers sold out.
Guarantees: It never oversells or undersells, even if Redis loses or invents data. It answers after the commit. Without
Redis it continues to sell, unfiltered.
What breaks it: Nothing makes it wrong. A process that dies after it was admitted hides its tickets for a second, during
which buyers receive `contention`. The row is as hot as under `conditional-update`, but only purchases that may win wait
for it.
Who uses it: Many flash-sale back ends (miaosha) put Redis before a conditional UPDATE in this way.
Source: https://redis.io/docs/latest/commands/decrby/,
https://www.postgresql.org/docs/18/transaction-iso.html#XACT-READ-COMMITTED
"""

from typing import ClassVar, Self

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.failpoints import failpoint
from app.ledger.counter import counter_update
from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.contention import Conflict
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken
from app.strategies.in_redis.prefilter import Prefilter


class GateAndGuardStrategy(LedgerStrategy):
    name: ClassVar[str] = "gate-and-guard"
    locks_customer: ClassVar[bool] = True
    write: ClassVar[TextClause] = counter_update("remaining = remaining - :quantity", "remaining >= :quantity")

    def __init__(self, engine: AsyncEngine, prefilter: Prefilter) -> None:
        super().__init__(engine)
        self._prefilter = prefilter

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        return cls(dependencies.engine, Prefilter(dependencies.redis, dependencies.gate_settings.key_prefix))

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        if purchase.quantity > state.remaining:
            return SoldOut(state.remaining)
        if not await self._prefilter.admits(purchase.sale, state.round, purchase.quantity, state.remaining):
            raise Conflict("promised")  # other purchases were admitted for all tickets left; they may book or fail
        await failpoint("after_decrement")
        values = {"sale": purchase.sale, "round": state.round, "quantity": purchase.quantity}
        written = (await connection.execute(self.write, values)).first()
        if written is None:
            raise Conflict("outrun")  # the prefilter admitted too many; the next attempt reads what is left
        return Taken(written.ticket, written.remaining, written.row_version)
