"""A sale whose ledger, and perhaps its stock server too, fails over to a copy that lacks the newest writes."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from app.blasts.load.result import ACCEPTED
from app.blasts.load.runner import Load
from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.servers.valkey import ValkeyServer
from app.ledger.migrate import migrate
from app.sales.model import ReservationId
from tests.faults.consistency import BOOKINGS, is_honoured
from tests.faults.test_back_in_time import take_over
from tests.fixtures.platform import MakePlatform
from tests.support.platform import Platform, View, told
from tests.support.standby import LedgerPair
from tests.support.until import until

STOCK = 2000
RATE = 300.0  # purchases a second: more than 3 s of the sale are left when the primary dies
FIRST, LAST = 200, 800  # purchases that are accepted before the first copy is cut off
MOST_LOST = 60  # orders; at least one to this many are lost, and those that are booked until the primary is dead
EXACT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Failover:
    """What a failover left.

    forgotten: the orders that were booked and acknowledged, and that the new primary lacks
    remains: the orders that the new primary, the gate, or both had before anything could be repaired
    at: Unix milliseconds; orders of a later stream entry are new
    promoted_at: monotonic seconds
    """

    forgotten: frozenset[str]
    remains: frozenset[str]
    at: int
    promoted_at: float

    def lost(self, load: Load) -> set[str]:
        """Return the orders that buyers were told, and that neither store had after the failover."""
        return {id_ for id_ in told(load) - self.remains if milliseconds_of(id_) <= self.at}


async def open_sale(make_platform: MakePlatform, pair: LedgerPair, **options: Any) -> tuple[Platform, str]:
    """Return an installation on the pair, and its open sale, which the standby knows."""
    await migrate(pair.url)
    platform = await make_platform(pair.url, api=2, workers=2, **options)
    sale = await platform.create_sale(stock=STOCK)
    await asyncio.to_thread(pair.catch_up)
    return platform, sale


async def accepted(load: Load, orders: int) -> None:
    """Wait until this many purchases are accepted."""
    await until(lambda: load.progress.get(ACCEPTED, 0) >= orders)


async def lose_commits(
    platform: Platform, pair: LedgerPair, sale: str, load: Load, moment: random.Random, *, silently: bool = False
) -> Failover:
    """Let the ledger fail over at a random moment, with a random number of commits missing."""
    await accepted(load, moment.randint(FIRST, LAST))
    await asyncio.to_thread(pair.hold_back)
    forgotten = await acknowledged_beyond(platform, pair, sale, moment.randint(1, MOST_LOST))
    return await fail_over(platform, pair, sale, forgotten, silently=silently)


async def acknowledged_beyond(platform: Platform, pair: LedgerPair, sale: str, orders: int) -> frozenset[str]:
    """Wait until this many orders are booked on the primary only and have left the stream. Return them."""
    found: set[str] = set()

    async def enough() -> bool:
        booked, replicated = await booked_on(pair.primary, sale), await booked_on(pair.standby, sale)
        found.clear()
        found.update(booked - replicated - await in_stream(platform.redis, platform, sale))
        return len(found) >= orders

    await until(enough)
    return frozenset(found)


async def fail_over(
    platform: Platform,
    pair: LedgerPair,
    sale: str,
    forgotten: frozenset[str],
    replica: ValkeyServer | None = None,
    *,
    silently: bool = False,
) -> Failover:
    """Kill the primary, and with a `replica` the stock server too. Put the copies in their place.

    `silently`: freeze the primary instead, so that its connections stay open.
    """
    snapshot = await platform.gate.snapshot(sale)
    assert snapshot is not None
    assert snapshot.remaining > 0, "the sale was over before the failover"
    if silently:
        await platform.read_ledger_at(pair.standby.url)
        pair.freeze()
    else:
        await asyncio.to_thread(pair.primary.kill)
    if replica is not None:
        await asyncio.to_thread(platform.stock.kill)
    at = time.time_ns() // 1_000_000
    ledger = await booked_on(pair.standby, sale)
    assert forgotten.isdisjoint(ledger)
    async with Redis.from_url((replica or platform.stock).url, decode_responses=True) as redis:
        gate = await remembered(redis, platform, sale)
    if replica is not None:
        await take_over(replica, platform.stock.port)
    await asyncio.to_thread(pair.standby.promote)
    return Failover(forgotten, frozenset(ledger | gate), at, time.monotonic())


async def seconds_until_exact(platform: Platform, sale: str, load: Load, failover: Failover) -> float:
    """Wait until the sale is sold out and exact, with a booking for each order that was told and is not lost.

    Return the seconds since the promotion. Raise AssertionError if that takes longer than EXACT_SECONDS.
    """
    views: list[View] = []
    missing: set[str] = set()

    async def exact() -> bool:
        promised = told(load) - failover.lost(load)  # before the readings: what is told later may not be booked yet
        view, found = await platform.view(sale), await honoured(platform, sale)
        views[:] = [view]
        missing.clear()
        missing.update(promised - found)
        identity = view["identity"]
        return view["phase"] == "SoldOut" and identity["backlog"] == 0 and identity["holds"] is True and not missing

    try:
        await until(exact, seconds=failover.promoted_at + EXACT_SECONDS - time.monotonic())
    except TimeoutError:
        raise AssertionError(
            f"not exact {EXACT_SECONDS} s after the promotion. Buyers: {load.progress} of {STOCK} tickets;"
            f" {len(missing)} of the told orders are not booked, {len(missing & failover.forgotten)} of them among the"
            f" {len(failover.forgotten)} that the new primary lacked. The sale: {views}"
        ) from None
    return time.monotonic() - failover.promoted_at


async def honoured(platform: Platform, sale: str) -> set[str]:
    """Return the reservations with a booking, and the aliases of such reservations."""
    rows = {row.reservation_id: row for row in await platform.rows(BOOKINGS, sale=sale)}
    return {id_ for id_ in rows if is_honoured(id_, rows)}


async def booked_on(server: PostgresServer, sale: str) -> set[str]:
    """Return the reservations that are booked on one of the two servers."""
    sql = f"SELECT reservation_id FROM bookings WHERE sale = '{sale}' AND status = 'booked'"  # noqa: S608  our own name
    return set((await asyncio.to_thread(server.run_sql, sql, database=server.database)).split())


# redis-py annotates every reply as str or bytes.
async def in_stream(redis: Any, platform: Platform, sale: str) -> set[str]:
    """Return the reservations that wait in the stream of this stock server."""
    entries = await redis.xrange(platform.gate.keys(sale).orders)
    return {str(ReservationId(sale, int(fields["round"]), entry, fields["nonce"])) for entry, fields in entries}


async def remembered(redis: Any, platform: Platform, sale: str) -> set[str]:
    """Return the reservations of the first round that this stock server knows, from its answers or its stream."""
    answers = [answer.split() for answer in await redis.hvals(platform.gate.keys(sale).answers(1))]
    answered = {str(ReservationId(sale, 1, entry, nonce)) for entry, nonce, *_ in answers}
    return answered | await in_stream(redis, platform, sale)


def milliseconds_of(reservation_id: str) -> int:
    """Return the time at which the gate accepted this order."""
    return int(ReservationId.parse(reservation_id).entry.partition("-")[0])
