"""`repeatable-read`: The naive algorithm in a snapshot, where the database refuses the second writer of a row.

How it works: BEGIN ISOLATION LEVEL REPEATABLE READ, then as `naive`. An UPDATE of a row that another transaction
changed after this snapshot fails with SQLSTATE 40001, and the whole transaction is tried again. Repeating less would
not do, since what it had read is outdated. The database does not retry by itself.
Guarantees: It never oversells. It sells every ticket if the buyers who received `contention` try again. The limit is
kept only because each purchase writes the same row: if two purchases write different rows (buckets, single tickets),
both may count the customer's tickets without seeing the other's purchase ("write skew", which this level permits).
What breaks it: A retry storm, as under `optimistic`. Another database may also mean something else by the name: MySQL's
REPEATABLE READ loses updates.
Who uses it: Services on PostgreSQL or CockroachDB that raised the isolation level instead of adding locks.
Source: https://www.postgresql.org/docs/18/transaction-iso.html#XACT-REPEATABLE-READ
"""

from typing import ClassVar

from app.strategies.in_ledger.read_then_write import ReadThenWrite
from app.strategies.in_ledger.strategy import Isolation


class RepeatableReadStrategy(ReadThenWrite):
    name: ClassVar[str] = "repeatable-read"
    isolation: ClassVar[Isolation] = "REPEATABLE READ"
