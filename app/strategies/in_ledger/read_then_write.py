"""What most services do: read the counter, check it, think, write it. Whether that is right depends on the protection.

The strategies that sell so differ in nothing else: none, a lock before the read, a version in the write, or an
isolation level that notices.
"""

from typing import ClassVar

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import counter_update
from app.ledger.purchases import Seen
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.contention import Conflict
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken, think


class ReadThenWrite(LedgerStrategy):
    """`write`: by default the absolute value that was computed from what was read."""

    write: ClassVar[TextClause] = counter_update("remaining = :computed")

    async def take(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> Taken | SoldOut:
        if purchase.quantity > seen.remaining:
            return SoldOut(seen.remaining)
        await think(seen)
        values = {
            "sale": purchase.sale,
            "round": seen.round,
            "quantity": purchase.quantity,
            "computed": seen.remaining - purchase.quantity,
            "version": seen.version,
            "lock_token": seen.lock_token,
        }
        written = (await connection.execute(self.write, values)).first()
        if written is None:
            raise Conflict("version")
        return Taken(written.ticket, written.remaining, written.row_version)
