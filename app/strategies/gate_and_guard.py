"""`gate-and-guard`: Redis lets through about as many as there are tickets, and the ledger's conditional write decides.

How it works: a number in Redis is made from what the ledger has left and lives one second; each purchase takes from it,
and who finds nothing comes again a little later. Who gets through sells by UPDATE ... WHERE remaining >= n and books,
in one transaction. Sold out is only ever told by the ledger.
Guarantees: never oversold, none left over, whatever Redis forgets or makes up; an answer is given after the commit.
Without Redis it sells on, unfiltered.
What breaks it: nothing makes it wrong. A process that dies with tickets in hand hides them for a second, in which
buyers are told `contention`. The row is as hot as in `conditional-update`, but only those wait for it who may win.
Who uses it: many flash-sale back ends (miaosha) put Redis before a conditional UPDATE in this way.
Source: https://redis.io/docs/latest/commands/decrby/ and
https://www.postgresql.org/docs/18/transaction-iso.html#XACT-READ-COMMITTED
"""

from typing import ClassVar, Self

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.failpoints import failpoint
from app.ledger.counter import counter_update
from app.ledger.purchases import Seen
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
    def build(cls, parts: StrategyDependencies) -> Self:
        return cls(parts.engine, Prefilter(parts.redis, parts.gate_settings.key_prefix))

    async def take(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> Taken | SoldOut:
        if purchase.quantity > seen.remaining:
            return SoldOut(seen.remaining)
        if not await self._prefilter.admits(purchase.sale, seen.round, purchase.quantity, seen.remaining):
            raise Conflict("promised")  # all that is left is in others' hands: theirs to book, or to let go
        await failpoint("after_decrement")
        values = {"sale": purchase.sale, "round": seen.round, "quantity": purchase.quantity}
        written = (await connection.execute(self.write, values)).first()
        if written is None:
            raise Conflict("outrun")  # the prefilter let too many through; the next look tells what is left
        return Taken(written.ticket, written.remaining, written.row_version)
