"""A stock that is a number in Redis, without a transaction that spans Redis and the ledger.

The number and the bookings agree only because a purchase changes both, one after the other.
"""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from app.gate.availability import stock_server_reachable
from app.gate.cluster import on_server_of
from app.strategies.in_redis.keys import LIFE_SECONDS, RedisKeys
from app.strategies.in_redis.scripts import Script


@dataclass(frozen=True, slots=True)
class Counted:
    """The counter of a round, in tickets.

    `left` is below zero for a moment while a refused purchase has not given back its tickets yet.
    """

    stock: int
    left: int

    def ticket(self, quantity: int) -> int:
        """Return the number of the first ticket of the `quantity` tickets that were taken last."""
        return self.stock - self.left - quantity + 1

    @classmethod
    def of(cls, stock: Any, left: Any) -> "Counted | None":
        """Return None if one of the two is missing, which means that Redis has lost the counter."""
        return None if stock is None or left is None else cls(int(stock), int(left))


class StockCounter:
    """The counters of all sales.

    Calls raise GateUnavailable if Redis is away; the command may have been executed or not.
    """

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self.redis = redis
        self._prefix = prefix
        self._seed = Script(redis, "seed")

    def key(self, sale: str, round_: int) -> str:
        return RedisKeys(self._prefix, sale).counter(round_)

    async def read(self, sale: str, round_: int) -> Counted | None:
        """Return the counter, or None if Redis has lost it."""
        with stock_server_reachable():
            return Counted.of(*await self.redis.hmget(self.key(sale, round_), ["stock", "left"]))

    async def add(self, sale: str, round_: int, tickets: int) -> Counted | None:
        """Add tickets (take them if negative), and return the counter afterwards, or None if Redis had lost it.

        HINCRBY creates a missing number, so only the stock beside it shows that the counter was seeded. Both are one
        MULTI: if the counter were seeded between two separate commands, tickets below zero would be given back to a
        counter that they were not taken from.
        """
        key = self.key(sale, round_)

        async def added(server: "Redis") -> Counted | None:
            async with server.pipeline(transaction=True) as pipe:
                pipe.hincrby(key, "left", tickets)
                pipe.expire(key, LIFE_SECONDS)
                pipe.hget(key, "stock")
                left, _, stock = await pipe.execute()
            return Counted.of(stock, left)

        with stock_server_reachable():
            return await on_server_of(self.redis, key, added)

    async def seed(self, sale: str, round_: int, *, stock: int, booked: int) -> None:
        """Create the counter if Redis lacks it, or let it grow with the stock. Any process may repeat this."""
        left = max(0, stock - booked)
        with stock_server_reachable():
            await self._seed(keys=[self.key(sale, round_)], args=[stock, left, LIFE_SECONDS])
