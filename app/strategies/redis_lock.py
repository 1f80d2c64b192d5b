"""`redis-lock`: The naive algorithm, one buyer at a time, under a lock in Redis. It fails when a lock expires early.

How it works: SET NX PX with a random value; then read, pause for `think_ms`, write the absolute value, book and commit;
then delete the lock if it still has the value. A purchase that does not get the lock tries again after a random pause,
a bounded number of times.
Guarantees: It never oversells while each holder finishes before its lock expires. It answers after the commit.
What breaks it: A holder that is slower than the two seconds of the lock: a paused process, a waiting statement, or a
`think_ms` above 2000. Its key expires, the next holder reads the same number, and both write, because the ledger knows
nothing of the lock. A Redis that loses data (FLUSHALL, or a failover to a replica that lags) gives the lock to two
holders at once. It is also slow: one purchase at a time, while the other purchases keep asking for the key.
Who uses it: SETNX locks around a database are in most stacks. Redlock makes the lock survive a server, but not a pause.
Source: https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html, http://antirez.com/news/101
"""

from typing import ClassVar

from app.sales.attempt import Hazard
from app.strategies.in_redis.locked import LockedStrategy


class RedisLockStrategy(LockedStrategy):
    name: ClassVar[str] = "redis-lock"
    promises_exactness: ClassVar[bool] = False
    keeps_limit: ClassVar[bool] = False  # only while the lock is held
    hazard: ClassVar[Hazard | None] = Hazard.EXPIRED_LOCK
