"""A way to sell that nobody in this repository knows: what adding one takes."""

from typing import ClassVar

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import counter_update
from app.ledger.purchases import Seen
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.in_ledger import LedgerStrategy, Taken


class ToyStrategy(LedgerStrategy):
    """Takes tickets while there are any, and calls whatever it can't take sold out."""

    name: ClassVar[str] = "toy"
    locks_customer: ClassVar[bool] = True
    write: ClassVar[TextClause] = counter_update("remaining = remaining - :quantity", "remaining >= :quantity")

    async def take(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> Taken | SoldOut:
        values = {"sale": purchase.sale, "round": seen.round, "quantity": purchase.quantity}
        written = (await connection.execute(self.write, values)).first()
        return SoldOut(seen.remaining) if written is None else Taken(written.ticket)
