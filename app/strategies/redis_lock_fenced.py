"""`redis-lock-fenced`: `redis-lock` with a token in the ledger, so that a holder that lost the lock cannot write.

How it works: The holder takes a token (INCR), raises the ledger's highest token to it, and only then reads. The write
checks, in the same UPDATE, whether the holder's token is still the highest. If the lock of a holder expired, the holder
meets the token of the next one, rolls back and starts over.
Why the token is raised before the read: If only the write compared it, a late holder could write after its successor
has read and before the successor writes. Both writes would pass in the order of their tokens, and one would be lost.
Guarantees: It never oversells and keeps the limit, whatever happens to the lock: a pause, a Redis that loses data, two
holders at once. It answers after the commit.
What breaks it: Nothing makes it wrong. It is as slow as the lock, plus one write to the ledger. The exactness comes
from the ledger: without any lock the same UPDATE is the `optimistic` strategy. A Redis that lost the tokens hands out
used ones; the first purchase that is refused skips them.
Who uses it: Systems that guard a store with the revision of ZooKeeper or etcd. Few do it with Redis, which gives no
token by itself.
Source: https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html#making-the-lock-safe-with-fencing
"""

from dataclasses import replace
from typing import ClassVar

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import counter_update
from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.strategies.contention import Conflict
from app.strategies.in_redis.locked import LockedStrategy

RAISE = text("""
    UPDATE inventory i SET lock_token = :token FROM sales s
    WHERE s.name = :sale AND i.sale = s.name AND i.round = s.round AND i.lock_token < :token
""")
HIGHEST = text("""
    SELECT i.lock_token FROM sales s JOIN inventory i ON i.sale = s.name AND i.round = s.round WHERE s.name = :sale
""")


class RedisLockFencedStrategy(LockedStrategy):
    name: ClassVar[str] = "redis-lock-fenced"
    write: ClassVar[TextClause] = counter_update("remaining = :computed", "lock_token = :lock_token")

    async def read_sale(self, connection: AsyncConnection, purchase: Purchase) -> SaleState:
        """Read the sale, with a token of this holder. Raise Conflict if the ledger has a token as high as that."""
        token = await self.lock.token(purchase.sale)
        await self.fence(connection, purchase.sale, token)
        return replace(await super().read_sale(connection, purchase), lock_token=token)

    async def fence(self, connection: AsyncConnection, sale: str, token: int) -> None:
        """Commit the token, so that no older one can write. Raise Conflict if the ledger has one as high."""
        raised = (await connection.execute(RAISE, {"sale": sale, "token": token})).rowcount
        await connection.commit()
        if raised:
            return
        highest = await connection.scalar(HIGHEST, {"sale": sale})
        if highest is not None:  # otherwise there is no such sale, and the read that follows raises UnknownSale
            await self.lock.skip_tokens(sale, highest - token)
            raise Conflict("fenced")
