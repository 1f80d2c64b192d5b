"""`row-lock`: SELECT ... FOR UPDATE. Whoever reads the counter holds it until he has written.

How it works: the algorithm of `naive`, unchanged, but that the SELECT locks the row; the next one reads after the
commit of the one before. FOR NO KEY UPDATE is enough, since no key changes, and lets foreign keys refer to the row.
Guarantees: never oversold, none left over, the limit kept: what is counted under the lock stays true until the commit.
What breaks it: nothing makes it wrong. The convoy makes it slow: the pause between read and write is spent under the
lock, even those who come too late must wait in line to be told so, and each waiter holds a connection, until he is
told `contention` when his time for the lock is up.
Who uses it: the usual cure in books and ORMs (`with_for_update`, `select_for_update`).
Source: https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-ROWS
"""

from typing import ClassVar

from app.strategies.in_ledger.read_then_write import ReadThenWrite


class RowLockStrategy(ReadThenWrite):
    name: ClassVar[str] = "row-lock"
    locking: ClassVar[str] = "FOR NO KEY UPDATE OF i"
