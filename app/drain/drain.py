"""From the stream to the ledger: reads a batch, books it in one transaction, and only then acknowledges it.

What a worker's death leaves, at each step:

- after the read: the batch is pending under this consumer's name. Another worker claims it once it has been idle for
  `claim_idle_seconds`. Nothing is booked.
- after the insert, before the commit: Postgres rolls back when the connection ends. As above.
- after the commit, before the acknowledgement: the batch is booked and still pending. Whoever claims it finds all its
  reservation ids in the ledger, books nothing, and acknowledges.

The same holds where nothing dies and a reply is lost instead: a turn that fails leaves its batch pending, and the next
turn of this process begins with its own pending entries. Acknowledging before the commit would lose the first two.

A store that is away fails the turn and counts against no order. An order that Postgres refuses for what it contains is
found by bisecting its batch, and fails alone (app.drain.set_aside); the rest of the batch is booked.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

import structlog
from redis.asyncio import Redis
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.failures import is_poison, reason
from app.drain.meters import BATCH_SECONDS, ORDERS
from app.drain.set_aside import Failure, count_tries, forget_tries
from app.drain.stream import Entry, OrderStream, consumer_name
from app.drain.tracing import batch_trace
from app.failpoints import failpoint
from app.gate.keys import SaleKeys
from app.gate.scripts import Scripts
from app.ledger.bookings import Booked, UnknownRound, book
from app.sales.order import Order, parse
from app.settings import DrainSettings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Drained:
    """What a turn did, in orders; `orders` left the stream. `more`: it stopped before the stream was empty."""

    orders: int = 0
    booked: int = 0
    rejected: int = 0
    duplicates: int = 0
    set_aside: int = 0
    more: bool = False

    def __add__(self, other: "Drained") -> "Drained":
        return Drained(
            self.orders + other.orders,
            self.booked + other.booked,
            self.rejected + other.rejected,
            self.duplicates + other.duplicates,
            self.set_aside + other.set_aside,
            self.more or other.more,
        )


class Drain:
    """Drains the sales of one process, each in one turn at a time. Set `stopping` to end turns after their batch."""

    def __init__(
        self, redis: "Redis", engine: AsyncEngine, settings: DrainSettings, *, key_prefix: str, consumer: str = ""
    ) -> None:
        self.redis = redis
        self.key_prefix = key_prefix
        self.settings = settings
        self.stopping = asyncio.Event()
        self._engine = engine
        self._scripts = Scripts(redis)
        self._consumer = consumer or consumer_name()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._interrupted: set[str] = set()

    async def sale(self, name: str, seconds: float) -> Drained:
        """Drains one sale until its stream is empty or `seconds` have passed; at least one batch.

        Raises one of STORE_ERRORS where Redis or Postgres is away. Nothing is lost or counted then: try again later.
        """
        lock = self._turns.setdefault(name, asyncio.Lock())
        async with lock:
            interrupted = name in self._interrupted
            self._interrupted.add(name)  # until the turn has come to its end, whatever ends it before
            drained = await self._turn(name, interrupted, asyncio.get_running_loop().time() + seconds)
            self._interrupted.discard(name)
            return drained

    async def _turn(self, name: str, interrupted: bool, deadline: float) -> Drained:
        stream = OrderStream(
            self.redis,
            self._scripts,
            SaleKeys(self.key_prefix, name),
            consumer=self._consumer,
            count=self.settings.batch_orders,
            claim_idle_seconds=self.settings.claim_idle_seconds,
        )
        drained = Drained()
        if not await stream.join():
            return drained
        async with aclosing(batches(stream, interrupted)) as unsettled:
            async for entries in unsettled:
                await failpoint("after_batch_read")
                with BATCH_SECONDS.time():
                    drained += await self.settle(stream, name, entries)
                if self.stopping.is_set() or asyncio.get_running_loop().time() >= deadline:
                    return replace(drained, more=True)
        await stream.forget_consumers()
        return drained

    async def settle(self, stream: OrderStream, name: str, entries: Sequence[Entry]) -> Drained:
        """Decides a batch in the ledger; then lets go of it in the stream, but for what is to be tried again."""
        parsed = [parse(name, entry.id, entry.fields) for entry in entries]
        orders = [order for order in parsed if isinstance(order, Order)]
        unreadable = [Failure(entry, entry.reason) for entry in parsed if not isinstance(entry, Order)]
        with batch_trace(name, orders, entries[0].delivery) as trace:
            booked, refused = await self._book(name, orders)
            failures = unreadable + refused
            set_aside = await self._count_tries(name, entries, failures) if failures else frozenset()
            await failpoint("after_batch_commit")
            waiting = {failure.entry.entry for failure in failures} - set_aside
            done = [entry for entry in parsed if entry.entry not in waiting]
            if done:
                await stream.acknowledge(done)
            trace.tell(booked, failed=waiting, set_aside=set_aside)
        _count(booked, len(set_aside))
        return Drained(len(done), booked.booked, booked.rejected, booked.duplicates, len(set_aside))

    async def _book(self, name: str, orders: Sequence[Order]) -> tuple[Booked, list[Failure]]:
        """Books the orders; where they are refused together, by halves, until those that fail alone are known."""
        if not orders:
            return Booked(), []
        try:
            return await self._commit(name, orders), []
        except (DBAPIError, UnknownRound) as error:
            if not is_poison(error):
                raise
            if len(orders) == 1:
                return Booked(), [Failure(orders[0], reason(error))]
        middle = len(orders) // 2
        first, first_failures = await self._book(name, orders[:middle])
        second, second_failures = await self._book(name, orders[middle:])
        return first + second, first_failures + second_failures

    async def _commit(self, name: str, orders: Sequence[Order]) -> Booked:
        async with self._engine.begin() as connection:
            booked = await book(connection, name, orders)
            await forget_tries(connection, name, orders)
            await failpoint("before_batch_commit")
        return booked

    async def _count_tries(self, name: str, entries: Sequence[Entry], failures: Sequence[Failure]) -> frozenset[str]:
        """Counts a try for each failure; returns the stream ids of those that are set aside with it."""
        fields = {entry.id: entry.fields for entry in entries}
        async with self._engine.begin() as connection:
            given_up = await count_tries(connection, name, failures, fields, self.settings.poison_tries)
        for failure in failures:
            log.error(
                "order set aside" if failure.entry.entry in given_up else "order failed alone",
                sale=name,
                entry=failure.entry.entry,
                reason=failure.reason,
            )
        return given_up


def _count(booked: Booked, set_aside: int) -> None:
    """By orders; a death before this leaves them uncounted, since they may be delivered again."""
    fates = {
        "booked": booked.booked,
        "rejected": booked.rejected,
        "duplicate": booked.duplicates,
        "known": booked.known,
        "set-aside": set_aside,
    }
    for fate, orders in fates.items():
        if orders:
            ORDERS.labels(fate).inc(orders)


async def batches(stream: OrderStream, interrupted: bool) -> AsyncGenerator[list[Entry], None]:
    """First what was left unfinished, by this consumer (where its last turn was) and by others; then what is new."""
    if interrupted:
        async for entries in stream.own():
            yield entries
    async for entries in stream.abandoned():
        yield entries
    async for entries in stream.new():
        yield entries
