"""The algorithm of most services: read the counter, check it, pause, write it.

The strategies that sell this way differ only in their protection: none, a lock before the read, a version in the write,
or an isolation level that detects the race. Whether the algorithm is right depends on that protection.
"""

from typing import ClassVar

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import counter_update
from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.contention import Conflict
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken, think


class ReadThenWrite(LedgerStrategy):
    """A strategy that reads, pauses for `think_ms` and writes.

    `write`: the UPDATE of the counter; by default it writes the absolute value that was computed from the value read.
    """

    write: ClassVar[TextClause] = counter_update("remaining = :computed")

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        if purchase.quantity > state.remaining:
            return SoldOut(state.remaining)
        await think(state)
        values = {
            "sale": purchase.sale,
            "round": state.round,
            "quantity": purchase.quantity,
            "computed": state.remaining - purchase.quantity,
            "version": state.version,
            "lock_token": state.lock_token,
        }
        written = (await connection.execute(self.write, values)).first()
        if written is None:
            raise Conflict("version")
        return Taken(written.ticket, written.remaining, written.row_version)
