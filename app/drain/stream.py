"""The stream of one sale's orders, read as one consumer of the group `ledger`.

The group always starts at 0, the beginning of the stream. That includes a group that is created again on a server that
forgot it: an order that is read twice is booked once, but an order that is never read is lost.
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
"""A consumer that is idle for this many claim times (5 minutes) is considered gone. If it is alive, its next read adds
it again."""


class Delivery(StrEnum):
    """How a consumer received an entry."""

    FIRST = "first"  # no consumer had it before
    AGAIN = "again"  # this consumer had it before, and its turn did not complete
    CLAIMED = "claimed"  # another consumer had it and did not finish


class Entry(NamedTuple):
    """A stream entry as the group delivered it. `id` is its stream id."""

    id: str
    fields: Mapping[str, str]
    delivery: Delivery = Delivery.FIRST


def consumer_name() -> str:
    """Return the name of this process in the group: its host and its process id. Call it after the fork."""
    return f"{socket.gethostname()}-{os.getpid()}"


class OrderStream:
    """The stream of one sale, in batches of at most `count` entries. A batch is pending until it is acknowledged.

    Entries that another consumer has left pending for `claim_idle_seconds` may be claimed.
    """

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
        """Create the group unless it exists. Return False if there is no stream, and so nothing to drain."""
        return bool(await self._scripts.run("join", [self._keys.orders], [GROUP]))

    async def own(self) -> AsyncGenerator[list[Entry], None]:
        """Yield the entries that this consumer received before and did not finish, oldest first, each once."""
        after = "0"
        while batch := await self._read(after):
            after = batch[-1].id
            # An entry that another consumer has finished comes without fields.
            if gone := [entry.id for entry in batch if not entry.fields]:
                await self._redis.xack(self._keys.orders, GROUP, *gone)
            if present := [entry._replace(delivery=Delivery.AGAIN) for entry in batch if entry.fields]:
                yield present

    async def abandoned(self) -> AsyncGenerator[list[Entry], None]:
        """Claim and yield the entries that any consumer, even a dead one, has left pending for too long."""
        cursor = "0-0"
        while True:
            cursor, batch = await self._claim(cursor)
            if batch:
                yield batch
            if cursor == "0-0":
                return

    async def new(self) -> AsyncGenerator[list[Entry], None]:
        """Yield the entries that no consumer has received yet, until there are no more."""
        while batch := await self._read(">"):
            yield batch
            if len(batch) < self._count:
                return

    async def acknowledge(self, entries: Iterable[Order | Unreadable]) -> None:
        """Remove the entries from the group, the stream and the backlog, in one script."""
        parts = [part for entry in entries for part in (entry.entry, entry.round, entry.epoch, entry.quantity)]
        await self._scripts.run("acknowledge", [self._keys.sale, self._keys.orders], [GROUP, *parts])

    async def forget_consumers(self) -> None:
        """Remove the consumers that are gone and have nothing pending from the group."""
        idle_ms = self._claim_idle_ms * FORGET_AFTER_CLAIMS
        await self._scripts.run("forget_consumers", [self._keys.orders], [GROUP, idle_ms])

    async def _read(self, position: str) -> list[Entry]:
        streams = {self._keys.orders: position}
        reply: Any = await self._redis.xreadgroup(GROUP, self._consumer, streams, count=self._count)  # type: ignore[arg-type]  # dict is invariant
        return [Entry(*entry) for _, entries in reply for entry in entries]

    async def _claim(self, cursor: str) -> tuple[str, list[Entry]]:
        reply = await self._redis.xautoclaim(
            self._keys.orders, GROUP, self._consumer, self._claim_idle_ms, cursor, count=self._count
        )
        return reply[0], [Entry(name, fields, Delivery.CLAIMED) for name, fields in reply[1]]
