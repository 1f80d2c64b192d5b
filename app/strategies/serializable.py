"""`serializable`: The naive algorithm, where the database ensures that the outcome equals that of some serial order.

How it works: BEGIN ISOLATION LEVEL SERIALIZABLE, then as `naive`. PostgreSQL remembers what each transaction read and
aborts one of those that form a dangerous pattern (SQLSTATE 40001, even at COMMIT). The whole transaction is tried
again.
Guarantees: It never oversells, and it keeps the limit whichever rows are written. It is the only level at which an
algorithm that is right alone is also right next to others. It sells every ticket if the buyers who received
`contention` try again.
What breaks it: A retry storm, worse than under `repeatable-read`: reads are remembered by index page, so unrelated
purchases that share a page abort each other. On a single hot row it has no advantage over REPEATABLE READ. It holds
only if all writers of the tables use it.
Who uses it: Services with rules over many rows. It is CockroachDB's default.
Source: https://www.postgresql.org/docs/18/transaction-iso.html#XACT-SERIALIZABLE, https://arxiv.org/abs/1208.4179
"""

from typing import ClassVar

from app.strategies.in_ledger.read_then_write import ReadThenWrite
from app.strategies.in_ledger.strategy import Isolation


class SerializableStrategy(ReadThenWrite):
    name: ClassVar[str] = "serializable"
    isolation: ClassVar[Isolation] = "SERIALIZABLE"
