"""`conditional-update`: The check is part of the write, UPDATE ... WHERE remaining >= n.

How it works: If an UPDATE waits for the row's lock, PostgreSQL evaluates its WHERE again on the version that the other
transaction left, so check and subtraction are one step. There are no retries, and no pause, because nothing happens
between reading and writing.
Guarantees: It never oversells or undersells. A lock per customer keeps the limit.
What breaks it: Nothing makes it wrong. A hot row makes it slow: each purchase holds the row from its UPDATE to its
COMMIT, which takes one flush of the log. Purchases of one sale therefore go one by one, and each waiting purchase holds
a connection.
Who uses it: Most shops that sell from a database. It is the right choice while the rate of one row is enough.
Source: https://www.postgresql.org/docs/18/transaction-iso.html#XACT-READ-COMMITTED
"""

from typing import ClassVar

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import READ_REMAINING, counter_update
from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken


class ConditionalUpdateStrategy(LedgerStrategy):
    name: ClassVar[str] = "conditional-update"
    locks_customer: ClassVar[bool] = True
    write: ClassVar[TextClause] = counter_update("remaining = remaining - :quantity", "remaining >= :quantity")

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        if purchase.quantity > state.remaining:  # most buyers of a flash sale come too late; refuse them without a lock
            return SoldOut(state.remaining)
        values = {"sale": purchase.sale, "round": state.round, "quantity": purchase.quantity}
        written = (await connection.execute(self.write, values)).first()
        if written is None:
            return SoldOut((await connection.execute(READ_REMAINING, values)).scalar_one())
        return Taken(written.ticket, written.remaining, written.row_version)
