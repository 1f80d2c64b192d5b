"""`redis-watch`: reads the number in Redis and writes a new one, if nobody has touched it in between.

How it works: WATCH, read, MULTI, absolute write, EXEC. EXEC does nothing where the number was touched since the WATCH;
then the whole purchase is tried again, a bounded number of times with a random pause. The booking follows in Postgres.
Guarantees: never oversold while Redis keeps its data, and the number never goes below zero. An answer is given after
the booking's commit.
What breaks it: a crowd. Of all that read one number one wins and the others come again: most of the work is thrown
away, and who loses each time is told `contention`. Death between EXEC and booking leaks tickets. A failover to a
replica that lags sells again all that the replica missed; an emptied Redis, only what was taken and not yet booked.
Who uses it: who wants a check and a write in Redis without a script; it is the form of the documentation's own example.
Source: https://redis.io/docs/latest/develop/using-commands/transactions/
"""

from typing import ClassVar

from redis.asyncio import Redis
from redis.exceptions import WatchError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.gate.availability import stock_server_reachable
from app.gate.cluster import ask
from app.ledger.purchases import Seen
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.contention import Conflict
from app.strategies.in_ledger.strategy import Taken
from app.strategies.in_redis.counted import CountedStrategy
from app.strategies.in_redis.counter import Counted
from app.strategies.in_redis.keys import LIFE_SECONDS


class RedisWatchStrategy(CountedStrategy):
    """Three round trips to Redis for a try."""

    name: ClassVar[str] = "redis-watch"

    async def take(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> Taken | SoldOut:
        counted, taken = await self._try(self.counter.key(purchase.sale, seen.round), purchase.quantity)
        if counted is None:
            await self.forgotten(connection, purchase, seen)
        if not taken:
            return await self.sold_out(connection, purchase, seen, counted)
        return Taken(counted.ticket(purchase.quantity), counted.left)

    def watched(self, key: str) -> str:
        """What a change of makes EXEC do nothing."""
        return key

    async def _try(self, key: str, quantity: int) -> tuple[Counted | None, bool]:
        """What is left, and whether the tickets were taken. Raises Conflict where somebody was faster."""

        async def tried(server: "Redis") -> tuple[Counted | None, bool]:
            async with server.pipeline(transaction=True) as pipe:
                await pipe.watch(self.watched(key))
                counted = Counted.of(*await pipe.hmget(key, ["stock", "left"]))
                if counted is None or counted.left < quantity:
                    return counted, False
                left = counted.left - quantity
                pipe.multi()  # type: ignore[no-untyped-call]  # redis-py types it not
                pipe.hset(key, "left", str(left))
                pipe.expire(key, LIFE_SECONDS)
                try:
                    await pipe.execute()
                except WatchError as error:
                    raise Conflict("watched") from error
                return Counted(counted.stock, left), True

        with stock_server_reachable():
            return await ask(self.counter.redis, key, tried)
