"""One sale's stream, hash and ledger rows on real servers, with orders written in the form that the gate writes."""

import uuid
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.keys import GROUP, SaleKeys
from app.sales.order import Order, Unreadable, parse_entry


class SaleStream:
    """A sale with a name of its own, whose keys begin with `prefix`. `order` stands in for the gate."""

    def __init__(self, redis: "Redis", engine: AsyncEngine, prefix: str) -> None:
        self.redis = redis
        self.engine = engine
        self.name = f"sale-{uuid.uuid4().hex[:8]}"
        self.keys = SaleKeys(prefix, self.name)
        self.round, self.epoch, self.number = 1, 1, 0

    async def open(self, stock: int, *, guarded: bool = True) -> "SaleStream":
        """Create the sale and start its first round. Return this SaleStream."""
        async with self.engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO sales (name, strategy) VALUES (:sale, 'atomic')"), {"sale": self.name}
            )
        await self.start_round(stock, guarded=guarded)
        return self

    async def start_round(self, stock: int, *, guarded: bool = True) -> None:
        """Create the inventory row and the gate's hash of the present round."""
        async with self.engine.begin() as connection:
            await connection.execute(
                text("""
                    INSERT INTO inventory (sale, round, epoch, stock, remaining, guarded)
                    VALUES (:sale, :round, :epoch, :stock, :stock, :guarded)
                """),
                {"sale": self.name, "round": self.round, "epoch": self.epoch, "stock": stock, "guarded": guarded},
            )
        await self.redis.hset(self.keys.sale, mapping={"round": self.round, "epoch": self.epoch, "backlog": 0})

    def fields(self, **other: Any) -> dict[str, str]:
        """Return the fields of the next order's entry, with `other` in place of the defaults."""
        self.number += 1
        order = {
            "round": self.round,
            "epoch": self.epoch,
            "number": self.number,
            "customer": f"customer-{self.number}",
            "key": "key",
            "quantity": 1,
            "nonce": uuid.uuid4().hex[:16],
            "ticket": self.number,
        }
        return {name: str(value) for name, value in (order | other).items()}

    async def write(self, fields: dict[str, str]) -> str:
        """Append an entry and raise the backlog, as one acceptance does. Return the entry's id."""
        async with self.redis.pipeline() as pipe:
            pipe.xadd(self.keys.orders, fields)  # type: ignore[arg-type]  # redis-py's dict is invariant
            pipe.hincrby(self.keys.sale, "backlog", int(fields["quantity"]))
            entry, _ = await pipe.execute()
        return str(entry)

    async def order(self, **other: Any) -> Order:
        """Write an order to the stream and return it."""
        fields = self.fields(**other)
        return readable(parse_entry(self.name, await self.write(fields), fields))

    async def orders(self, count: int, **other: Any) -> list[Order]:
        return [await self.order(**other) for _ in range(count)]

    def unwritten(self, **other: Any) -> Order:
        """Return an order that was never in a stream, for tests of the ledger alone."""
        fields = self.fields(**other)
        return readable(parse_entry(self.name, f"{1_700_000_000_000 + self.number}-0", fields))

    async def backlog(self) -> int:
        return int(await self.redis.hget(self.keys.sale, "backlog") or 0)

    async def length(self) -> int:
        """Return how many entries the stream holds."""
        return int(await self.redis.xlen(self.keys.orders))

    async def pending(self) -> int:
        return int((await self.redis.xpending(self.keys.orders, GROUP))["pending"])

    async def rows(self, statement: str) -> Sequence[Any]:
        """Return rows of the ledger. `:sale` in the statement stands for this sale."""
        async with self.engine.connect() as connection:
            return (await connection.execute(text(statement), {"sale": self.name})).all()

    async def statuses(self) -> dict[str, int]:
        """Return how many bookings there are of each status."""
        rows = await self.rows("SELECT status, count(*) FROM bookings WHERE sale = :sale GROUP BY status")
        return {row.status: row.count for row in rows}

    async def booked(self) -> int:
        """Return the inventory's count of booked tickets in the latest round. Assert that the bookings agree."""
        rows = await self.rows("""
            SELECT i.booked, (SELECT coalesce(sum(quantity), 0) FROM bookings b
                              WHERE b.sale = i.sale AND b.round = i.round AND b.status = 'booked')
            FROM inventory i WHERE sale = :sale ORDER BY round DESC LIMIT 1
        """)
        counter, counted = rows[0]
        assert counter == counted
        return int(counter)


def readable(order: Order | Unreadable) -> Order:
    assert isinstance(order, Order)
    return order
