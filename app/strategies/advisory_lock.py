"""`advisory-lock`: purchases of a sale wait for each other at a lock that has nothing to do with any row.

How it works: pg_advisory_xact_lock(sale), then read, think, write; the lock goes with the transaction. Lock and read
are two statements under READ COMMITTED: a statement sees what was committed before it began, so that one that locks
and reads in one breath would read what was true before it waited. Under REPEATABLE READ even two statements would.
Guarantees: never oversold, none left over, the limit kept; among those who take the lock. It protects nothing from
others, so that the write is relative: stock may grow meanwhile.
What breaks it: a writer that forgets the lock. A pooler in transaction mode is fine, since the lock is the
transaction's. The convoy is that of `row-lock`, with the row itself free for readers and writers of other columns.
Who uses it: pretix (a lock per quota), Hi.Events (a lock per event).
Source: https://www.postgresql.org/docs/18/explicit-locking.html#ADVISORY-LOCKS,
https://github.com/pretix/pretix/blob/master/src/pretix/base/services/locking.py
"""

from typing import ClassVar

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import counter_update
from app.ledger.locks import hold
from app.ledger.purchases import Seen
from app.sales.model import Purchase
from app.strategies.in_ledger.read_then_write import ReadThenWrite


class AdvisoryLockStrategy(ReadThenWrite):
    name: ClassVar[str] = "advisory-lock"
    write: ClassVar[TextClause] = counter_update("remaining = remaining - :quantity")

    async def look(self, connection: AsyncConnection, purchase: Purchase) -> Seen:
        await hold(connection, f"sale {purchase.sale}")
        return await super().look(connection, purchase)
