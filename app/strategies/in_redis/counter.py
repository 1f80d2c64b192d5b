"""A stock that is a number in Redis, beside the ledger and not with it.

What the number and the bookings have in common is only that a purchase changes both, one after the other.
"""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from app.gate.availability import stock_server_reachable
from app.gate.cluster import ask
from app.strategies.in_redis.keys import LIFE_SECONDS, RedisKeys
from app.strategies.in_redis.scripts import Script


@dataclass(frozen=True, slots=True)
class Counted:
    """Tickets. `left` is below zero for a moment, where a refused purchase has not given back yet."""

    stock: int
    left: int

    def ticket(self, quantity: int) -> int:
        """The number of the first of the tickets that were taken last, `quantity` of them."""
        return self.stock - self.left - quantity + 1

    @classmethod
    def of(cls, stock: Any, left: Any) -> "Counted | None":
        """None where one of the two isn't there: Redis has forgotten the counter."""
        return None if stock is None or left is None else cls(int(stock), int(left))


class StockCounter:
    """The counters of all sales. Raises GateUnavailable: what was sent may have happened then, or not."""

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self.redis = redis
        self._prefix = prefix
        self._seed = Script(redis, "seed")

    def key(self, sale: str, round_: int) -> str:
        return RedisKeys(self._prefix, sale).counter(round_)

    async def read(self, sale: str, round_: int) -> Counted | None:
        """None where Redis has forgotten it."""
        with stock_server_reachable():
            return Counted.of(*await self.redis.hmget(self.key(sale, round_), ["stock", "left"]))

    async def add(self, sale: str, round_: int, tickets: int) -> Counted | None:
        """Adds tickets, takes them where negative, and tells what is left. None where Redis had forgotten the counter.

        An addition makes the number where it isn't; only the stock beside it tells a counter that was seeded. MULTI:
        seeded between the two looks, a number below zero would be given back to a counter that it was not taken from.
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
            return await ask(self.redis, key, added)

    async def seed(self, sale: str, round_: int, *, stock: int, booked: int) -> None:
        """Makes the counter where Redis hasn't it, and lets it grow with the stock; by anyone, any number of times."""
        left = max(0, stock - booked)
        with stock_server_reachable():
            await self._seed(keys=[self.key(sale, round_)], args=[stock, left, LIFE_SECONDS])
