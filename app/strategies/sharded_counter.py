"""`sharded-counter`: the stock is dealt out to buckets, so that most purchases meet in different rows.

How it works: a conditional UPDATE of a bucket drawn at random. Where it has too few, the counter is locked, the order
is filled from what is undealt and from other buckets ("borrowing"), and empty buckets are dealt another share. Shares
shrink with the stock, so that the last tickets are not scattered.
Guarantees: never oversold; none left over, since nobody is told "sold out" while all buckets together have enough. The
limit is kept by a lock per customer.
What breaks it: without borrowing, a buyer is turned away by an empty bucket while others are full. Near the end all
purchases meet at the locks again: it helps a large stock, not the last minute of a small one. All buckets are still
one database, one log: where the flush of the log is the limit, it gains little.
Who uses it: counters of views and votes; flash sales on MySQL and PolarDB, whose makers say it helps one node little.
Source: https://www.alibabacloud.com/help/en/polardb/polardb-for-mysql/user-guide/hot-row-optimization
"""

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.purchases import Seen
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.contention import Conflict
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken

BUCKETS = 16  # about as many commits as are under way at once

TAKE = text("""
    UPDATE buckets SET remaining = remaining - :quantity, next_ticket = next_ticket + :quantity
    WHERE sale = :sale AND round = :round AND bucket = :bucket AND remaining >= :quantity
    RETURNING next_ticket - :quantity
""")
# One statement, one instant. What is locked but not committed still counts as left: it errs to the careful side.
LEFT = text("""
    SELECT i.remaining + coalesce(sum(b.remaining), 0)
    FROM inventory i LEFT JOIN buckets b ON b.sale = i.sale AND b.round = i.round
    WHERE i.sale = :sale AND i.round = :round GROUP BY i.remaining
""")
LOCK_COUNTER = text("SELECT stock, remaining FROM inventory WHERE sale = :sale AND round = :round FOR NO KEY UPDATE")
# Never waits: a TAKE that waited in vain keeps its bucket's lock (the row is locked before it is checked again) and now
# waits for the counter, so that to wait for buckets with the counter in hand would be a deadlock.
LOCK_BUCKETS = text("""
    SELECT bucket, next_ticket, remaining FROM buckets WHERE sale = :sale AND round = :round
    FOR NO KEY UPDATE SKIP LOCKED
""")
ADD_BUCKETS = text("""
    INSERT INTO buckets (sale, round, bucket, next_ticket, remaining)
    SELECT :sale, :round, generate_series(1, :buckets), 0, 0 ON CONFLICT DO NOTHING
""")
SET_COUNTER = text("UPDATE inventory SET remaining = :remaining WHERE sale = :sale AND round = :round")
SET_BUCKETS = text("""
    UPDATE buckets b SET next_ticket = share.next_ticket, remaining = share.remaining
    FROM unnest(CAST(:buckets AS smallint[]), CAST(:next_tickets AS integer[]), CAST(:remaining AS integer[]))
        AS share (bucket, next_ticket, remaining)
    WHERE b.sale = :sale AND b.round = :round AND b.bucket = share.bucket
""")


@dataclass(slots=True)
class Share:
    """Tickets `next_ticket` and the `remaining - 1` that follow it."""

    next_ticket: int
    remaining: int

    def deal(self, tickets: int) -> "Share":
        """Splits off the first ones, as many as there are at most."""
        tickets = min(tickets, self.remaining)
        dealt = Share(self.next_ticket, tickets)
        self.next_ticket += tickets
        self.remaining -= tickets
        return dealt


class ShardedCounterStrategy(LedgerStrategy):
    name: ClassVar[str] = "sharded-counter"
    locks_customer: ClassVar[bool] = True
    dealt: ClassVar[str] = """
        SELECT coalesce(sum(b.remaining), 0) FROM buckets b WHERE b.sale = i.sale AND b.round = i.round
    """

    async def take(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> Taken | SoldOut:
        here = {"sale": purchase.sale, "round": seen.round}
        bucket = random.randint(1, BUCKETS)  # noqa: S311  spread, not secrecy
        ticket = await connection.scalar(TAKE, here | {"bucket": bucket, "quantity": purchase.quantity})
        if ticket is not None:
            return Taken(ticket)
        left: int = (await connection.execute(LEFT, here)).scalar_one()
        if left < purchase.quantity:  # without a lock: else all who come too late would stand in line for it
            return SoldOut(left)
        return await self._borrow(connection, here, purchase.quantity)

    async def _borrow(self, connection: AsyncConnection, here: dict[str, Any], quantity: int) -> Taken:
        """Raises Conflict where those buckets that nobody else holds just now have too few."""
        counter = (await connection.execute(LOCK_COUNTER, here)).one()
        undealt = Share(counter.stock - counter.remaining + 1, counter.remaining)
        await connection.execute(ADD_BUCKETS, here | {"buckets": BUCKETS})
        locked = await connection.execute(LOCK_BUCKETS, here)
        buckets = {row.bucket: Share(row.next_ticket, row.remaining) for row in locked}
        ticket = borrow(quantity, undealt, list(buckets.values()))
        if ticket is None:
            raise Conflict("locked")
        await connection.execute(SET_COUNTER, here | {"remaining": undealt.remaining})
        shares = {
            "buckets": list(buckets),
            "next_tickets": [share.next_ticket for share in buckets.values()],
            "remaining": [share.remaining for share in buckets.values()],
        }
        await connection.execute(SET_BUCKETS, here | shares)
        return Taken(ticket)


def borrow(quantity: int, undealt: Share, buckets: list[Share]) -> int | None:
    """The order's first ticket, None where all together have too few. Changes what it is given.

    Buckets with too few are emptied first, and then dealt a share of what is undealt, a small part of it each.
    """
    scraps = [share for share in buckets if share.remaining < quantity]
    sources = [*scraps, undealt, *(share for share in buckets if share.remaining >= quantity)]
    if sum(share.remaining for share in sources) < quantity:
        return None
    first = next(share.next_ticket for share in sources if share.remaining)
    for source in sources:
        quantity -= source.deal(quantity).remaining
    for share in scraps:
        if share.remaining == 0:
            dealt = undealt.deal(undealt.remaining // (2 * BUCKETS))
            share.next_ticket, share.remaining = dealt.next_ticket, dealt.remaining
    return first
