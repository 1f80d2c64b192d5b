"""What the gate holds of a sale: its snapshot, the orders in its stream, and the orders that its answers remember."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import Any

from redis.asyncio import Redis

from app.gate.answers import remembered_order
from app.gate.availability import stock_server_reachable
from app.gate.cluster import on_server_of, servers
from app.gate.keys import SaleKeys, key_of_sale
from app.gate.replies import SNAPSHOT_FIELDS, Entry, GateSnapshot
from app.gate.scripts import Scripts
from app.sales.model import ReservationId
from app.sales.order import Order

CONCURRENT_SNAPSHOTS = 8
PAGE = 1000  # entries, answers or keys that one command reads


class GateReader:
    """The part of the gate that changes nothing. Methods raise GateUnavailable if the stock server is away."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._scripts = Scripts(redis)

    def keys(self, sale: str) -> SaleKeys:
        return SaleKeys(self._prefix, sale)

    async def snapshot(self, sale: str) -> GateSnapshot | None:
        """Return the sale as the gate has it, or None if the gate has no such sale."""
        keys = self.keys(sale)
        values = await self._run("snapshot", (keys.sale, keys.orders), SNAPSHOT_FIELDS)
        return GateSnapshot.of(values) if values else None

    async def snapshots(self, sales: Sequence[str]) -> list[GateSnapshot | None]:
        """Return the snapshot of each sale. A few at a time are taken, so that no call waits for a connection."""
        found: list[GateSnapshot | None] = []
        for start in range(0, len(sales), CONCURRENT_SNAPSHOTS):
            some = sales[start : start + CONCURRENT_SNAPSHOTS]
            found += await asyncio.gather(*(self.snapshot(sale) for sale in some))
        return found

    async def entries(self, sale: str, up_to: str = "+", page: int = PAGE) -> AsyncIterator[list[Entry]]:
        """Yield the orders that wait in the stream, oldest first, in pages.

        `up_to` is the last stream id to read; '' reads nothing.
        """
        start = "-"
        while up_to:
            entries: list[Entry] = await self._call(
                self._redis.xrange(self.keys(sale).orders, start, up_to, count=page)
            )
            if entries:
                yield entries
            if len(entries) < page:
                return
            start = f"({entries[-1][0]}"

    async def has_entry(self, reservation: ReservationId) -> bool:
        """Return whether this order (the same entry and the same nonce) waits in the stream."""
        orders = self.keys(reservation.sale).orders
        found = await self._call(self._redis.xrange(orders, reservation.entry, reservation.entry))
        return _is_order(found, reservation)

    async def without_entry(self, sale: str, orders: Iterable[Order]) -> list[Order]:
        """Return those of the orders that do not wait in the stream, asked for in one round trip."""
        key, asked = self.keys(sale).orders, list(orders)

        async def call(server: "Redis") -> list[Any]:
            async with server.pipeline(transaction=False) as pipe:
                for order in asked:
                    pipe.xrange(key, order.entry, order.entry)
                return list(await pipe.execute())

        found = await self._call(on_server_of(self._redis, key, call)) if asked else []
        return [order for order, entries in zip(asked, found, strict=True) if not _is_order(entries, order.id)]

    async def remembered(self, sale: str, round_: int) -> int:
        """Return how many purchases of the round the gate remembers the answers of."""
        return int(await self._call(self._redis.hlen(self.keys(sale).answers(round_))))

    async def remembered_orders(self, sale: str, round_: int) -> AsyncIterator[list[Order]]:
        """Yield the orders that the answers of the round remember, in pages and in no order, some perhaps twice.

        An answer that this release did not write has no number; its order is left out.
        """
        key, cursor = self.keys(sale).answers(round_), 0
        while True:
            cursor, answers = await self._call(self._redis.hscan(key, cursor, count=PAGE))
            orders = (remembered_order(sale, round_, field, answer) for field, answer in answers.items())
            if page := [order for order in orders if order is not None]:
                yield page
            if int(cursor) == 0:
                return

    async def names(self) -> AsyncIterator[str]:
        """Yield the name of each sale that the gate has, in no order, some perhaps twice."""
        pattern = key_of_sale(self._prefix, "*", "sale")
        for server in await self._call(servers(self._redis)):
            cursor = 0
            while True:
                cursor, keys = await self._call(server.scan(cursor, match=pattern, count=PAGE))
                for key in keys:
                    yield key.partition("{")[2].partition("}")[0]
                if int(cursor) == 0:
                    break

    async def run_id(self, sale: str) -> str:
        """Return the run id of the sale's server, which a restart changes, or '' if a managed service hides it."""
        key = self.keys(sale).sale
        info = await self._call(on_server_of(self._redis, key, lambda server: server.info("server")))
        return str(info.get("run_id", ""))

    async def _run(self, name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        return await self._call(self._scripts.run(name, keys, arguments))

    async def _call(self, call: Awaitable[Any]) -> Any:
        """Return the call's result. Raise GateUnavailable if the server is away or refuses the call."""
        with stock_server_reachable():
            return await call


def _is_order(entries: Sequence[Entry], reservation: ReservationId) -> bool:
    """Return whether the entry that was found under the reservation's stream id is its order."""
    return bool(entries) and entries[0][1].get("nonce") == reservation.nonce
