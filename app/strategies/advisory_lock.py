"""`advisory-lock`: Purchases of one sale wait for each other at an advisory lock, which belongs to no row.

How it works: The transaction takes pg_advisory_xact_lock for the sale, then reads the counter, pauses for `think_ms`
and writes. PostgreSQL releases the lock at the end of the transaction. Lock and read are two statements under READ
COMMITTED: a statement sees only what was committed before it began, so a single statement that locks and reads would
read the state from before its wait. Under REPEATABLE READ even two statements would.
Guarantees: It never oversells or undersells and keeps the limit, provided that every writer takes the lock. The lock
does not stop other writers. The write is therefore relative, because the stock may grow in the meantime.
What breaks it: A writer that does not take the lock. A pooler in transaction mode does no harm, since the lock belongs
to the transaction. Purchases queue as under `row-lock`, but the row itself stays free for readers and for writers of
other columns.
Who uses it: pretix (a lock per quota) and Hi.Events (a lock per event).
Source: https://www.postgresql.org/docs/18/explicit-locking.html#ADVISORY-LOCKS,
https://github.com/pretix/pretix/blob/master/src/pretix/base/services/locking.py
"""

from typing import ClassVar

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import counter_update
from app.ledger.locks import hold
from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.strategies.in_ledger.read_then_write import ReadThenWrite


class AdvisoryLockStrategy(ReadThenWrite):
    name: ClassVar[str] = "advisory-lock"
    write: ClassVar[TextClause] = counter_update("remaining = remaining - :quantity")

    async def read_sale(self, connection: AsyncConnection, purchase: Purchase) -> SaleState:
        await hold(connection, f"sale {purchase.sale}")
        return await super().read_sale(connection, purchase)
