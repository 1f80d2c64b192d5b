"""Measure the identity of one sale exactly while it sells: read Redis first and the ledger last.

1. Take a snapshot of the gate: the remaining tickets, the number of the newest order, the newest entry of the stream.
2. Read the stream up to that entry. An entry leaves the stream only after its booking is committed.
3. Read the ledger in one statement, for orders up to that number. So each order is seen in step 2, in step 3, or in
   both, and counts once.
4. Take another snapshot. If stock, repairs or releases have changed meanwhile, the sums are not of one instant.

If the ledger were read first, orders that are drained between the two readings would be in neither.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.set_aside import entry_key
from app.gate.gate import Gate
from app.gate.replies import GateSnapshot
from app.ledger.availability import ledger_reachable
from app.reconcile.stream_backlog import StreamBacklog, read_backlog
from app.sales.model import Sale

MAX_WAITING = 20_000  # orders in the stream; if there are more, the check waits until the drain has caught up

# `waiting`: orders in the stream that the ledger neither knows under the buyer's key nor has set aside.
LEDGER = text("""
    WITH waiting AS (
        SELECT w.quantity
        FROM unnest(CAST(:customers AS text[]), CAST(:keys AS text[]), CAST(:entries AS text[]),
            CAST(:quantities AS integer[])) AS w (customer, key, entry, quantity)
        WHERE NOT EXISTS (
                SELECT FROM bookings b WHERE b.sale = :sale AND b.round = :round AND b.customer = w.customer
                    AND b.idempotency_key = w.key AND b.status <> 'duplicate')
            AND NOT EXISTS (
                SELECT FROM set_aside a WHERE a.sale = :sale AND a.entry = w.entry AND a.set_aside_at IS NOT NULL)
    )
    SELECT i.epoch, i.stock, i.booked AS counter, i.recount, b.booked, b.cancelled, b.cancellations, a.set_aside,
        (SELECT coalesce(sum(quantity), 0) FROM waiting) AS waiting,
        coalesce(h.epoch, 0) AS highest_epoch, coalesce(h.number, 0) AS highest_number
    FROM sales s
    JOIN inventory i ON i.sale = s.name AND i.round = s.round
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity) FILTER (WHERE status = 'booked'), 0) AS booked,
            coalesce(sum(quantity) FILTER (WHERE status = 'cancelled'), 0) AS cancelled,
            count(*) FILTER (WHERE status = 'cancelled') AS cancellations
        FROM bookings WHERE sale = i.sale AND round = i.round AND (epoch, number) <= (:epoch, :accepted)
    ) b
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity), 0) AS set_aside FROM set_aside
        WHERE sale = i.sale AND round = i.round AND set_aside_at IS NOT NULL
            AND (epoch, number) <= (:epoch, :accepted)
    ) a
    LEFT JOIN LATERAL (
        SELECT epoch, number FROM bookings WHERE sale = i.sale AND round = i.round AND epoch IS NOT NULL
        ORDER BY epoch DESC, number DESC LIMIT 1
    ) h ON true
    WHERE s.name = :sale AND s.round = :round
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSide:
    """The ledger's figures for the orders up to a snapshot. All are in tickets, except `cancellations` (orders).

    `counter` is the inventory's own `booked` at the instant of the reading, not of the snapshot: it shows whether
    anything was booked since. `highest` is the newest (epoch, number) that has a row, also at the reading. `recount`
    is True if the drain has requested a check.
    """

    epoch: int
    stock: int
    counter: int
    recount: bool
    booked: int
    cancelled: int
    cancellations: int
    set_aside: int
    waiting: int
    highest: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One reading of both stores.

    server: the run id of the stock server that was read, or '' if it hides its run id
    before, after: the snapshots before and after the reading of the ledger, or None if the gate has no such sale
    complete: False if the stream was too long to read to its end
    """

    server: str
    before: GateSnapshot | None
    after: GateSnapshot | None
    ledger: LedgerSide
    complete: bool = True

    @property
    def exact(self) -> bool:
        """Return whether the sums are of one instant: the sale did not change, and all its backlog was read."""
        if not self.complete or self.before is None or self.after is None:
            return False
        if self.before.state == "fenced":
            return False  # a recount was under way at the first snapshot: the gate had no tickets yet, so none leaked
        return _fixed_fields(self.before) == _fixed_fields(self.after) and self.before.epoch == self.ledger.epoch

    @property
    def missing(self) -> int:
        """Return how many of the gate's tickets are neither left nor promised; negative if too many are promised."""
        assert self.before is not None  # noqa: S101  the caller has checked `exact`
        ledger = self.ledger
        return self.before.stock - (self.before.remaining + ledger.waiting + ledger.set_aside + ledger.booked)


def _fixed_fields(gate: GateSnapshot) -> tuple[int, int, int, int, int, str]:
    """Return the fields that must not change while the sums are taken."""
    return gate.round, gate.epoch, gate.stock, gate.repairs, gate.released, gate.server


async def measure(sale: Sale, gate: Gate, engine: AsyncEngine, *, max_waiting: int = MAX_WAITING) -> Measurement | None:
    """Measure the round of `sale`. Return None if a newer round has begun.

    Raise TemporarilyUnavailable if a store is away.
    """
    server = await gate.run_id(sale.name)
    before = await gate.snapshot(sale.name)
    waiting = StreamBacklog()
    if before is not None:
        waiting = await read_backlog(gate, sale.name, sale.round, up_to=before.last_entry, bound=max_waiting)
    ledger = await read_ledger(sale, engine, before, waiting)
    if ledger is None:
        return None
    after = await gate.snapshot(sale.name)
    return Measurement(server=server, before=before, after=after, ledger=ledger, complete=waiting.complete)


async def read_ledger(
    sale: Sale, engine: AsyncEngine, snapshot: GateSnapshot | None, waiting: StreamBacklog
) -> LedgerSide | None:
    """Read the ledger's figures in one statement, so that all are of one instant.

    Return None if the round of `sale` is no longer the current one.
    """
    orders = list(waiting.orders.values())
    unreadable = list(waiting.unreadable.items())
    blank = [""] * len(unreadable)
    arguments = {
        "sale": sale.name,
        "round": sale.round,
        "epoch": snapshot.epoch if snapshot else 0,
        "accepted": snapshot.accepted if snapshot else 0,
        "customers": [order.customer for order in orders] + blank,
        "keys": [order.key for order in orders] + blank,
        "entries": [entry_key(order) for order in orders] + [key for key, _ in unreadable],
        "quantities": [order.quantity for order in orders] + [tickets for _, tickets in unreadable],
    }
    with ledger_reachable():
        async with engine.connect() as connection:
            row = (await connection.execute(LEDGER, arguments)).mappings().first()
    if row is None:
        return None
    read = dict(row)
    highest = (read.pop("highest_epoch"), read.pop("highest_number"))
    return LedgerSide(**read, highest=highest)
