"""`redis-decr`: The purchase takes its tickets by one decrement in Redis, and gives them back if too few were left.

How it works: HINCRBY of minus the quantity (DECRBY, on a hash that keeps the stock beside the number). If the result is
below zero, the same number is added again and the answer is sold out. Otherwise the booking is inserted in Postgres.
Guarantees: It never oversells while Redis keeps its data, since no two decrements see the same number. It answers after
the commit of the booking.
What breaks it: A death between decrement and booking leaks the tickets. Buyers of several tickets each take the number
below zero and give back, and buyers who arrive in between are refused as sold out although tickets are left. A failover
to a replica that lags sells again all that the replica missed; an emptied Redis sells again only what was taken and not
yet booked.
Who uses it: Countless tutorials and shops, most of which ignore what happens between the two stores.
Source: https://redis.io/docs/latest/commands/decrby/
"""

from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.in_ledger.strategy import Taken
from app.strategies.in_redis.counted import CountedStrategy


class RedisDecrStrategy(CountedStrategy):
    """The strategy. A sale takes one round trip to Redis, a refusal takes two."""

    name: ClassVar[str] = "redis-decr"

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        counted = await self.counter.add(purchase.sale, state.round, -purchase.quantity)
        if counted is None:
            await self.rebuild(connection, purchase, state)
        if counted.left >= 0:
            return Taken(counted.ticket(purchase.quantity), counted.left)
        counted = await self.counter.add(purchase.sale, state.round, purchase.quantity)
        if counted is None:
            await self.rebuild(connection, purchase, state)
        return await self.sold_out(connection, purchase, state, counted)
