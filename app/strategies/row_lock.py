"""`row-lock`: A purchase that reads the counter keeps its row locked until it has written, by SELECT ... FOR UPDATE.

How it works: The algorithm of `naive`, except that the SELECT locks the row. The next purchase reads after the commit
of the one before. FOR NO KEY UPDATE is enough, since no key changes, and it lets foreign keys refer to the row.
Guarantees: It never oversells or undersells and keeps the limit, because what is counted under the lock stays true
until the commit.
What breaks it: Nothing makes it wrong. The queue makes it slow: the pause between read and write is spent under the
lock, and even buyers who come too late wait in line for their refusal. Each waiting purchase holds a connection until
it has the lock, or gives up after the time-out for locks and receives `contention`.
Who uses it: The usual cure in books and ORMs (`with_for_update`, `select_for_update`).
Source: https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-ROWS
"""

from typing import ClassVar

from app.strategies.in_ledger.read_then_write import ReadThenWrite


class RowLockStrategy(ReadThenWrite):
    name: ClassVar[str] = "row-lock"
    locking: ClassVar[str] = "FOR NO KEY UPDATE OF i"
