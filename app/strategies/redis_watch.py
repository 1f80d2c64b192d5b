"""`redis-watch`: The purchase reads the number in Redis, and writes a new one if no other client changed it.

How it works: WATCH, read, MULTI, absolute write, EXEC. EXEC does nothing if the number was changed since the WATCH; the
whole purchase is then tried again after a random pause, a bounded number of times. The booking follows in Postgres.
Guarantees: It never oversells while Redis keeps its data, and the number never falls below zero. It answers after the
commit of the booking.
What breaks it: A crowd. Of all purchases that read one number one wins and the others try again, so most of the work is
thrown away, and a buyer who loses every time receives `contention`. A death between EXEC and booking leaks the tickets.
A failover to a replica that lags sells again all that the replica missed; an emptied Redis sells again only what was
taken and not yet booked.
Who uses it: Programs that need a check and a write in Redis without a script. It is the form of the documentation's own
example.
Source: https://redis.io/docs/latest/develop/using-commands/transactions/
"""

from typing import ClassVar

from redis.asyncio import Redis
from redis.exceptions import WatchError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.gate.availability import stock_server_reachable
from app.gate.cluster import on_server_of
from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.contention import Conflict
from app.strategies.in_ledger.strategy import Taken
from app.strategies.in_redis.counted import CountedStrategy
from app.strategies.in_redis.counter import Counted
from app.strategies.in_redis.keys import LIFE_SECONDS


class RedisWatchStrategy(CountedStrategy):
    """The strategy. Each try takes three round trips to Redis."""

    name: ClassVar[str] = "redis-watch"

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        counted, taken = await self._try(self.counter.key(purchase.sale, state.round), purchase.quantity)
        if counted is None:
            await self.rebuild(connection, purchase, state)
        if not taken:
            return await self.sold_out(connection, purchase, state, counted)
        return Taken(counted.ticket(purchase.quantity), counted.left)

    def watched(self, key: str) -> str:
        """Return the key that EXEC watches: if it was changed since the WATCH, EXEC does nothing."""
        return key

    async def _try(self, key: str, quantity: int) -> tuple[Counted | None, bool]:
        """Return what is left, and whether the tickets were taken. Raise Conflict if another client was faster.

        What is left is None if Redis has lost the counter.
        """

        async def tried(server: "Redis") -> tuple[Counted | None, bool]:
            async with server.pipeline(transaction=True) as pipe:
                await pipe.watch(self.watched(key))
                counted = Counted.of(*await pipe.hmget(key, ["stock", "left"]))
                if counted is None or counted.left < quantity:
                    return counted, False
                left = counted.left - quantity
                pipe.multi()  # type: ignore[no-untyped-call]  # redis-py has no types here
                pipe.hset(key, "left", str(left))
                pipe.expire(key, LIFE_SECONDS)
                try:
                    await pipe.execute()
                except WatchError as error:
                    raise Conflict("watched") from error
                return Counted(counted.stock, left), True

        with stock_server_reachable():
            return await on_server_of(self.counter.redis, key, tried)
