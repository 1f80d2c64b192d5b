"""`toy`: Check without a lock, lock the row, check again.

How it works: Buyers who come too late are refused by the first check and wait for nobody. The others lock the row of
the counter, and the second check sees what the purchase before them has committed.
Guarantees: It never oversells or undersells. A lock per customer keeps the limit.
What breaks it: Nothing makes it wrong. While tickets are left, purchases of one sale go one by one.
Who uses it: It is the worked example of docs/development.md, and the tests add it to the registry.
Source: "double-checked locking", https://en.wikipedia.org/wiki/Double-checked_locking
"""

from typing import ClassVar

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import counter_update
from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken


class ToyStrategy(LedgerStrategy):
    name: ClassVar[str] = "toy"
    locks_customer: ClassVar[bool] = True
    second_read: ClassVar[TextClause] = text(
        "SELECT remaining FROM inventory WHERE sale = :sale AND round = :round FOR NO KEY UPDATE"
    )
    write: ClassVar[TextClause] = counter_update("remaining = remaining - :quantity")

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        if purchase.quantity > state.remaining:
            return SoldOut(state.remaining)
        values = {"sale": purchase.sale, "round": state.round, "quantity": purchase.quantity}
        remaining = (await connection.execute(self.second_read, values)).scalar_one()
        if purchase.quantity > remaining:
            return SoldOut(remaining)
        written = (await connection.execute(self.write, values)).one()
        return Taken(written.ticket, written.remaining, written.row_version)
