"""`redis-lock`: the naive algorithm, one buyer at a time, by a lock in Redis. Right until the lock ends too early.

How it works: SET NX PX with a random word; then read, think, write the absolute value, book and commit; then delete the
lock if it still has the word. Who doesn't get it comes again after a random pause, a bounded number of times.
Guarantees: while each holder is done before his lock ends, never oversold. An answer is given after the commit.
What breaks it: a holder that is slower than the lock's two seconds: a pause of the process, a waiting statement, or
`think_ms` above 2000. Its key ends, the next one reads the same number, and both write: nothing in the ledger knows of
the lock. A Redis that forgets (FLUSHALL, failover to a replica that lags) makes two holders at once. And it is slow:
one purchase at a time, and an eager crowd around the key.
Who uses it: SETNX locks around a database are in most stacks; Redlock makes the lock outlive a server, not a pause.
Source: https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html and http://antirez.com/news/101
"""

from typing import ClassVar

from app.sales.attempt import Hazard
from app.strategies.in_redis.locked import LockedStrategy


class RedisLockStrategy(LockedStrategy):
    name: ClassVar[str] = "redis-lock"
    promises_exactness: ClassVar[bool] = False
    keeps_limit: ClassVar[bool] = False  # no longer than the lock is kept
    hazard: ClassVar[Hazard | None] = Hazard.EXPIRED_LOCK
