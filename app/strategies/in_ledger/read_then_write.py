"""The algorithm of most services: read the counter, check it, pause, write it.

The strategies that sell this way differ only in their protection: none, a lock before the read, a version in the write,
or an isolation level that detects the race. Whether the algorithm is right depends on that protection.
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
    """A strategy that reads, pauses for `think_ms` and writes.

    `write`: the UPDATE of the counter; by default it writes the absolute value that was computed from the value read.
    """

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
