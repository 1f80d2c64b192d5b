"""`redis-decr`: takes the tickets by one decrement in Redis, gives them back where it went below zero, then books.

How it works: HINCRBY of minus the quantity (DECRBY, on a hash that keeps the stock beside the number); below zero the
same number is added again and the answer is sold out; otherwise the booking is inserted in Postgres.
Guarantees: never oversold while Redis keeps its data, since no two decrements see the same number. An answer is given
after the booking's commit.
What breaks it: death between decrement and booking leaks tickets. Buyers of several tickets each take the number below
zero and give back, and who comes meanwhile is told sold out with some left. A failover to a replica that lags sells
again all that the replica missed; an emptied Redis, only what was taken and not yet booked.
Who uses it: countless tutorials and shops, mostly without a look at what happens between the two stores.
Source: https://redis.io/docs/latest/commands/decrby/
"""

from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.purchases import Seen
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.in_ledger.strategy import Taken
from app.strategies.in_redis.counted import CountedStrategy


class RedisDecrStrategy(CountedStrategy):
    """Two round trips to Redis for a refusal, one for a sale."""

    name: ClassVar[str] = "redis-decr"

    async def take(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> Taken | SoldOut:
        counted = await self.counter.add(purchase.sale, seen.round, -purchase.quantity)
        if counted is None:
            await self.forgotten(connection, purchase, seen)
        if counted.left >= 0:
            return Taken(counted.ticket(purchase.quantity), counted.left)
        counted = await self.counter.add(purchase.sale, seen.round, purchase.quantity)
        if counted is None:
            await self.forgotten(connection, purchase, seen)
        return await self.sold_out(connection, purchase, seen, counted)
