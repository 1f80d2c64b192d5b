"""`sharded-counter`: The stock is dealt out to buckets, so that most purchases update different rows.

How it works: A purchase runs a conditional UPDATE on a bucket drawn at random. If the bucket has too few tickets, the
purchase locks the counter, fills its order from the undealt tickets and from other buckets ("borrowing"), and deals
empty buckets another share. Shares shrink with the stock, so that the last tickets are not scattered.
Guarantees: It never oversells. It never undersells, since no buyer is refused as sold out while all buckets together
have enough. A lock per customer keeps the limit.
What breaks it: Nothing makes it wrong. Without borrowing, an empty bucket would turn a buyer away while other buckets
are full. Near the end all purchases meet at the locks again, so it helps a large stock, not the last minute of a small
one. All buckets share one database and one log: if the flush of the log is the limit, it gains little.
Who uses it: Counters of views and votes; flash sales on MySQL and PolarDB, whose makers say that it gains little on one
node.
Source: https://www.alibabacloud.com/help/en/polardb/polardb-for-mysql/user-guide/hot-row-optimization
"""

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.contention import Conflict
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken

BUCKETS = 16  # about as many as there are commits under way at once

TAKE = text("""
    UPDATE buckets SET remaining = remaining - :quantity, next_ticket = next_ticket + :quantity
    WHERE sale = :sale AND round = :round AND bucket = :bucket AND remaining >= :quantity
    RETURNING next_ticket - :quantity
""")
# One statement, so one instant. Tickets that are taken but not committed still count as left: the careful error.
LEFT = text("""
    SELECT i.remaining + coalesce(sum(b.remaining), 0)
    FROM inventory i LEFT JOIN buckets b ON b.sale = i.sale AND b.round = i.round
    WHERE i.sale = :sale AND i.round = :round GROUP BY i.remaining
""")
LOCK_COUNTER = text("SELECT stock, remaining FROM inventory WHERE sale = :sale AND round = :round FOR NO KEY UPDATE")
# SKIP LOCKED, because waiting here could deadlock: a TAKE that waited for its bucket and found too few keeps its
# lock (PostgreSQL locks the row before it checks it again), and then waits for the counter, which is locked here.
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
    """A run of `remaining` consecutive ticket numbers, of which `next_ticket` is the first."""

    next_ticket: int
    remaining: int

    def deal(self, tickets: int) -> "Share":
        """Split off the first tickets: `tickets` of them, or all if there are fewer."""
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

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        round_key = {"sale": purchase.sale, "round": state.round}
        bucket = random.randint(1, BUCKETS)  # noqa: S311  for spreading, not for secrecy
        ticket = await connection.scalar(TAKE, round_key | {"bucket": bucket, "quantity": purchase.quantity})
        if ticket is not None:
            return Taken(ticket)
        left: int = (await connection.execute(LEFT, round_key)).scalar_one()
        if left < purchase.quantity:  # without a lock, so that late buyers do not queue for it
            return SoldOut(left)
        return await self._borrow(connection, round_key, purchase.quantity)

    async def _borrow(self, connection: AsyncConnection, round_key: dict[str, Any], quantity: int) -> Taken:
        """Fill the order from the undealt tickets and from the buckets that no other purchase has locked.

        Raise Conflict if these have too few.
        """
        counter = (await connection.execute(LOCK_COUNTER, round_key)).one()
        undealt = Share(counter.stock - counter.remaining + 1, counter.remaining)
        await connection.execute(ADD_BUCKETS, round_key | {"buckets": BUCKETS})
        locked = await connection.execute(LOCK_BUCKETS, round_key)
        buckets = {row.bucket: Share(row.next_ticket, row.remaining) for row in locked}
        ticket = borrow(quantity, undealt, list(buckets.values()))
        if ticket is None:
            raise Conflict("locked")
        await connection.execute(SET_COUNTER, round_key | {"remaining": undealt.remaining})
        shares = {
            "buckets": list(buckets),
            "next_tickets": [share.next_ticket for share in buckets.values()],
            "remaining": [share.remaining for share in buckets.values()],
        }
        await connection.execute(SET_BUCKETS, round_key | shares)
        return Taken(ticket)


def borrow(quantity: int, undealt: Share, buckets: list[Share]) -> int | None:
    """Take the order's tickets from the shares, and return the first one's number, or None if there are too few.

    The shares are changed in place. Buckets that have too few for the order are emptied first, and each of them is then
    dealt a small part of the undealt tickets.
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
