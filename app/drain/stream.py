"""The stream of one sale's orders, read as one consumer of the group `ledger`.

The group starts at 0, the stream's beginning: also where a server that forgot the group is taught it anew, since an
order that is read twice is booked once, and one that is never read is lost.
"""

import os
import socket
from collections.abc import AsyncGenerator, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from redis.asyncio import Redis

from app.gate.keys import GROUP, SaleKeys
from app.gate.scripts import Scripts
from app.sales.order import Order, Unreadable

FORGET_AFTER_CLAIMS = 60
"""A consumer silent for this many claim times (5 minutes) is taken for gone. A live one comes back by itself."""


class Delivery(StrEnum):
    """How a consumer came to an entry."""

    FIRST = "first"  # nobody had it before
    AGAIN = "again"  # it had it before, and its turn didn't come to an end
    CLAIMED = "claimed"  # another one had it, and didn't finish


class Entry(NamedTuple):
    """A stream entry as it came."""

    id: str
    fields: Mapping[str, str]
    delivery: Delivery = Delivery.FIRST


def consumer_name() -> str:
    """Who this process is in the group. Make it after the fork."""
    return f"{socket.gethostname()}-{os.getpid()}"


class OrderStream:
    """Reads in batches of at most `count` entries. Every batch it yields is pending until it is acknowledged."""

    def __init__(
        self, redis: "Redis", scripts: Scripts, keys: SaleKeys, *, consumer: str, count: int, claim_idle_seconds: float
    ) -> None:
        self._redis = redis
        self._scripts = scripts
        self._keys = keys
        self._consumer = consumer
        self._count = count
        self._claim_idle_ms = int(claim_idle_seconds * 1000)

    async def join(self) -> bool:
        """Makes sure of the group; False where there is no stream, and so nothing to do."""
        return bool(await self._scripts.run("join", [self._keys.orders], [GROUP]))

    async def own(self) -> AsyncGenerator[list[Entry], None]:
        """What this consumer was given before and didn't finish, from the beginning, once each."""
        after = "0"
        while batch := await self._read(after):
            after = batch[-1].id
            if gone := [
                entry.id for entry in batch if not entry.fields
            ]:  # finished by another, known to us by id alone
                await self._redis.xack(self._keys.orders, GROUP, *gone)
            if present := [entry._replace(delivery=Delivery.AGAIN) for entry in batch if entry.fields]:
                yield present

    async def abandoned(self) -> AsyncGenerator[list[Entry], None]:
        """What any consumer, also a dead one, has left pending for too long. It becomes this consumer's own."""
        cursor = "0-0"
        while True:
            cursor, batch = await self._claim(cursor)
            if batch:
                yield batch
            if cursor == "0-0":
                return

    async def new(self) -> AsyncGenerator[list[Entry], None]:
        """What no consumer has been given yet, until there is no more."""
        while batch := await self._read(">"):
            yield batch
            if len(batch) < self._count:
                return

    async def acknowledge(self, entries: Iterable[Order | Unreadable]) -> None:
        """Takes the entries out of the group, the stream and the backlog, in one script."""
        triples = [part for entry in entries for part in (entry.entry, entry.round, entry.quantity)]
        await self._scripts.run("acknowledge", [self._keys.sale, self._keys.orders], [GROUP, *triples])

    async def forget_consumers(self) -> None:
        """Removes the names of consumers that are gone and have nothing pending."""
        idle_ms = self._claim_idle_ms * FORGET_AFTER_CLAIMS
        await self._scripts.run("forget_consumers", [self._keys.orders], [GROUP, idle_ms])

    async def _read(self, position: str) -> list[Entry]:
        streams = {self._keys.orders: position}
        reply: Any = await self._redis.xreadgroup(GROUP, self._consumer, streams, count=self._count)  # type: ignore[arg-type]
        return [Entry(*entry) for _, entries in reply for entry in entries]

    async def _claim(self, cursor: str) -> tuple[str, list[Entry]]:
        reply = await self._redis.xautoclaim(
            self._keys.orders, GROUP, self._consumer, self._claim_idle_ms, cursor, count=self._count
        )
        return reply[0], [Entry(name, fields, Delivery.CLAIMED) for name, fields in reply[1]]
