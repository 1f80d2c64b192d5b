"""`repeatable-read`: the naive algorithm in a snapshot. The second writer of a row is refused by the database.

How it works: BEGIN ISOLATION LEVEL REPEATABLE READ; then as `naive`. An UPDATE of a row that somebody changed after
this snapshot fails with SQLSTATE 40001, and the whole transaction is tried again; nothing less would do, since what it
had read is old. The database does not retry by itself.
Guarantees: never oversold, none left over if those who were told `contention` come again. The limit is kept only
because each purchase writes the same row: where two write different ones (buckets, single tickets), both may count the
customer's tickets, and neither sees the other's ("write skew", which this level permits).
What breaks it: a retry storm, as `optimistic`; and a database that means something else by the name: MySQL's
REPEATABLE READ loses updates.
Who uses it: services on PostgreSQL or CockroachDB that turned the level up in place of adding locks.
Source: https://www.postgresql.org/docs/18/transaction-iso.html#XACT-REPEATABLE-READ
"""

from typing import ClassVar

from app.strategies.in_ledger.read_then_write import ReadThenWrite
from app.strategies.in_ledger.strategy import Isolation


class RepeatableReadStrategy(ReadThenWrite):
    name: ClassVar[str] = "repeatable-read"
    isolation: ClassVar[Isolation] = "REPEATABLE READ"
