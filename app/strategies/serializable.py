"""`serializable`: the naive algorithm, and the database sees to it that the outcome is that of some order.

How it works: BEGIN ISOLATION LEVEL SERIALIZABLE; then as `naive`. PostgreSQL remembers what each transaction read and
aborts one of those that form a dangerous pattern (SQLSTATE 40001, even at COMMIT); the whole is tried again.
Guarantees: never oversold, and the limit kept whatever rows are written: the only level at which an algorithm that is
right alone is right in company. None left over, if those who were told `contention` come again.
What breaks it: a retry storm, as `repeatable-read` and worse: what was read is remembered by index page, so that
strangers who share a page abort each other. On a single hot row it buys nothing that REPEATABLE READ doesn't have. It
holds only if all who write the tables use it.
Who uses it: services with rules over many rows; CockroachDB's default.
Source: https://www.postgresql.org/docs/18/transaction-iso.html#XACT-SERIALIZABLE, https://arxiv.org/abs/1208.4179
"""

from typing import ClassVar

from app.strategies.in_ledger.read_then_write import ReadThenWrite
from app.strategies.in_ledger.strategy import Isolation


class SerializableStrategy(ReadThenWrite):
    name: ClassVar[str] = "serializable"
    isolation: ClassVar[Isolation] = "SERIALIZABLE"
