"""Drain orders from a sale's stream into the ledger: read a batch, book it in one transaction, then acknowledge it.

A worker that dies leaves the following behind:

- After the read: the batch is pending under this consumer's name, and nothing is booked. Another worker claims the
  batch once it has been idle for `claim_idle_seconds`.
- After the insert, before the commit: Postgres rolls back when the connection ends. The rest is as above.
- After the commit, before the acknowledgement: the batch is booked and still pending. The worker that claims it finds
  all its reservation ids in the ledger, books nothing, and acknowledges the batch.

The same holds if no process dies and a reply is lost instead: a turn that fails leaves its batch pending, and the next
turn of this process starts with its own pending entries. An acknowledgement before the commit would lose the batch in
the first two cases.

If a store is away, the turn fails and no order is charged with a failed try. If Postgres refuses an order because of
its content, the drain finds the order by bisecting the batch. Only that order fails (app.drain.set_aside); the rest of
the batch is booked. An order whose round the ledger has lost waits in the stream until the ledger has the round again.
"""

import asyncio
from collections import OrderedDict
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
from app.sales.order import Order, parse_entry
from app.sales.recent import KNOWN_SALES, remember
from app.settings import DrainSettings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Drained:
    """The result of one turn, in orders. `orders` is the number of orders that left the stream.

    `more` is True if the turn stopped before the stream was empty.
    """

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
    """The drain of one process. Each sale has at most one turn at a time.

    Set `stopping` to end every turn after its current batch.
    """

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
        self._lost_rounds: OrderedDict[str, int] = OrderedDict()  # by sale: the one that was logged

    async def sale(self, name: str, seconds: float) -> Drained:
        """Drain one sale until its stream is empty or `seconds` have passed, but at least one batch.

        Raise one of STORE_ERRORS if Redis or Postgres is away. No order is lost or charged with a failed try then; the
        caller may try again later.
        """
        lock = self._turns.setdefault(name, asyncio.Lock())
        async with lock:
            interrupted = name in self._interrupted
            self._interrupted.add(name)  # and removed only if the turn completes
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
        """Decide a batch in the ledger, then acknowledge its entries, except those that will be tried again."""
        parsed = [parse_entry(name, entry.id, entry.fields) for entry in entries]
        orders = [order for order in parsed if isinstance(order, Order)]
        unreadable = [Failure(entry, entry.reason) for entry in parsed if not isinstance(entry, Order)]
        with batch_trace(name, orders, entries[0].delivery) as trace:
            booked, refused = await self._book(name, orders)
            failures = unreadable + refused
            charged = [failure for failure in failures if failure.at_fault]
            set_aside = await self._count_tries(name, entries, charged) if charged else frozenset()
            await failpoint("after_batch_commit")
            failed = {failure.entry.entry for failure in failures} - set_aside
            settled = [entry for entry in parsed if entry.entry not in failed]
            if settled:
                await stream.acknowledge(settled)
            trace.record(booked, failed=failed, set_aside=set_aside)
        _count(booked, len(set_aside))
        return Drained(len(settled), booked.booked, booked.rejected, booked.duplicates, len(set_aside))

    async def _book(self, name: str, orders: Sequence[Order]) -> tuple[Booked, list[Failure]]:
        """Book the orders. If Postgres refuses them together, book them by halves, to find those that fail alone."""
        if not orders:
            return Booked(), []
        try:
            return await self._commit(name, orders), []
        except (DBAPIError, UnknownRound) as error:
            if not is_poison(error):
                raise
            if isinstance(error, UnknownRound) and len({order.round for order in orders}) == 1:
                return Booked(), await self._of_unknown_round(name, orders, error)
            if len(orders) == 1:
                return Booked(), [Failure(orders[0], reason(error))]
        middle = len(orders) // 2
        first, first_failures = await self._book(name, orders[:middle])
        second, second_failures = await self._book(name, orders[middle:])
        return first + second, first_failures + second_failures

    async def _of_unknown_round(self, name: str, orders: Sequence[Order], error: UnknownRound) -> list[Failure]:
        """Return the failures of orders of one round, which the ledger does not have.

        If the gate has reached the round, the orders are not at fault. A round is committed in the ledger before the
        gate has it, so the ledger went back in time.
        """
        here = await self.redis.hget(SaleKeys(self.key_prefix, name).sale, "round")
        round_ = orders[0].round
        lost = here is not None and int(here) >= round_
        if lost and self._lost_rounds.get(name) != round_:
            remember(self._lost_rounds, name, round_, KNOWN_SALES)
            log.error("orders wait: the ledger has lost their round", sale=name, round=round_)
        return [Failure(order, reason(error), at_fault=not lost) for order in orders]

    async def _commit(self, name: str, orders: Sequence[Order]) -> Booked:
        async with self._engine.begin() as connection:
            booked = await book(connection, name, orders)
            await forget_tries(connection, name, orders)
            await failpoint("before_batch_commit")
        return booked

    async def _count_tries(self, name: str, entries: Sequence[Entry], failures: Sequence[Failure]) -> frozenset[str]:
        """Count a try for each failure, and return the stream ids of the entries that are now set aside."""
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
    """Add the orders of a batch to the metrics.

    If the worker dies before this call, the batch is not counted; its orders may be delivered again.
    """
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
    """Yield the unfinished batches first, then the new ones.

    If this consumer's last turn was interrupted, its own pending entries come first. Entries that any consumer has
    abandoned come next.
    """
    if interrupted:
        async for entries in stream.own():
            yield entries
    async for entries in stream.abandoned():
        yield entries
    async for entries in stream.new():
        yield entries
