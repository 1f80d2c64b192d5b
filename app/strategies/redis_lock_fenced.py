"""`redis-lock-fenced`: `redis-lock`, with a token that the ledger compares: who has lost the lock writes nothing.

How it works: the holder takes a token (INCR), raises the ledger's highest one to it, and only then reads; the write
asks whether his token is still the highest, in the same UPDATE. A holder whose lock ended meets the token of the next
one, rolls back and starts over.
Why the token is raised before the read, and not just compared by the write: with the comparison alone a late holder may
write after his successor has read and before that one writes. Both writes pass, in the order of their tokens, and one
is lost.
Guarantees: never oversold, and the limit, whatever the lock does: pauses, a Redis that forgets, two holders at once. An
answer is given after the commit.
What breaks it: nothing makes it wrong; it is as slow as the lock, and a write to the ledger slower. The exactness is
the ledger's: without any lock the same UPDATE is the `optimistic` way. A Redis that forgot the tokens hands out used
ones; the first that is refused skips them.
Who uses it: whoever guards a store with ZooKeeper's or etcd's revision; few with Redis, which has no token to give.
Source: https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html#making-the-lock-safe-with-fencing
"""

from dataclasses import replace
from typing import ClassVar

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.counter import counter_update
from app.ledger.purchases import Seen
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

    async def look(self, connection: AsyncConnection, purchase: Purchase) -> Seen:
        """With this holder's own token. Raises Conflict where the ledger knows one as high."""
        token = await self.lock.token(purchase.sale)
        await self.fence(connection, purchase.sale, token)
        return replace(await super().look(connection, purchase), lock_token=token)

    async def fence(self, connection: AsyncConnection, sale: str, token: int) -> None:
        """Commits the token, so that no older one writes any more."""
        raised = (await connection.execute(RAISE, {"sale": sale, "token": token})).rowcount
        await connection.commit()
        if raised:
            return
        highest = await connection.scalar(HIGHEST, {"sale": sale})
        if highest is not None:  # otherwise there is no such sale, which the look finds
            await self.lock.skip_tokens(sale, highest - token)
            raise Conflict("fenced")
