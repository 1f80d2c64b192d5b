"""`conditional-update`: the check is part of the write, UPDATE ... WHERE remaining >= n.

How it works: whoever waits for the row's lock has his WHERE evaluated again on the version that the other left, so that
check and subtraction are one step. No retries, no pause: there is nothing to think between reading and writing.
Guarantees: never oversold, none left over; the limit by a lock per customer.
What breaks it: nothing makes it wrong. A hot row makes it slow: each sale holds the row from its UPDATE to its COMMIT,
one flush of the log, so that purchases of one sale go one by one, and each waiter holds a connection.
Who uses it: most shops that sell from a database, and should, while one row's rate is enough for them.
Source: https://www.postgresql.org/docs/18/transaction-iso.html#XACT-READ-COMMITTED
"""

from typing import ClassVar

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import LEFT, counter_update
from app.ledger.purchases import Seen
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken


class ConditionalUpdateStrategy(LedgerStrategy):
    name: ClassVar[str] = "conditional-update"
    locks_customer: ClassVar[bool] = True
    write: ClassVar[TextClause] = counter_update("remaining = remaining - :quantity", "remaining >= :quantity")

    async def take(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> Taken | SoldOut:
        if purchase.quantity > seen.remaining:  # most buyers of a flash sale come too late, and need no lock
            return SoldOut(seen.remaining)
        values = {"sale": purchase.sale, "round": seen.round, "quantity": purchase.quantity}
        written = (await connection.execute(self.write, values)).first()
        if written is None:
            return SoldOut((await connection.execute(LEFT, values)).scalar_one())
        return Taken(written.ticket, written.remaining, written.row_version)
