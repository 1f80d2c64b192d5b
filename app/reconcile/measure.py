"""The identity of one sale, measured exactly while it runs: Redis first, the ledger last.

1. A snapshot of the gate: what remains, the number of the newest order, the newest entry of the stream.
2. The stream up to that entry. An entry goes only after its booking is committed.
3. One statement of the ledger, of orders up to that number. So each is seen in 2, in 3, or in both, and counts once.
4. Another snapshot: where stock, repairs or releases have changed meanwhile, the sums are of no instant.

The other way round, orders that are drained between the two readings are in neither.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.set_aside import name_of
from app.gate.gate import Gate
from app.gate.replies import GateSnapshot
from app.ledger.availability import ledger_reachable
from app.reconcile.stream_backlog import StreamBacklog, read_backlog
from app.sales.model import Sale

MOST_WAITING = 20_000  # orders in the stream; beyond it the check waits until the drain has caught up

# `waiting` is what the ledger neither knows under the buyer's key nor has set aside.
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
    """What the ledger says of the orders up to a snapshot, in tickets, but for `cancellations` (orders).

    `counter` is the inventory's own `booked`, of this instant and not of the snapshot's: it tells whether anything was
    booked since. `highest`: the newest (epoch, number) that has a row, also of this instant.
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
    """One look at both stores. `server`: the run id of the server that was asked, '' where it hides it.

    `before` and `after` frame the ledger's reading; None where the gate has no such sale.
    """

    server: str
    before: GateSnapshot | None
    after: GateSnapshot | None
    ledger: LedgerSide
    complete: bool = True

    @property
    def exact(self) -> bool:
        """Whether the sums are of one instant. False where they were overtaken, or the backlog is too long to read."""
        if not self.complete or self.before is None or self.after is None:
            return False
        if self.before.state == "fenced":
            return False  # somebody counted it meanwhile: it had no tickets yet, and none of them leaked
        return _terms(self.before) == _terms(self.after) and self.before.epoch == self.ledger.epoch

    @property
    def missing(self) -> int:
        """Tickets of the gate's stock that nobody has; negative where more are promised than there are."""
        assert self.before is not None  # noqa: S101  the caller asked `exact` first
        ledger = self.ledger
        return self.before.stock - (self.before.remaining + ledger.waiting + ledger.set_aside + ledger.booked)


def _terms(snapshot: GateSnapshot) -> tuple[int, int, int, int, int, str]:
    """What may not change while the sums are taken."""
    now = snapshot
    return now.round, now.epoch, now.stock, now.repairs, now.released, now.server


async def measure(
    sale: Sale, gate: Gate, engine: AsyncEngine, *, most_waiting: int = MOST_WAITING
) -> Measurement | None:
    """Measures the round of `sale`; None where a newer round has begun. Raises TemporarilyUnavailable."""
    server = await gate.run_id(sale.name)
    before = await gate.snapshot(sale.name)
    waiting = StreamBacklog()
    if before is not None:
        waiting = await read_backlog(gate, sale.name, sale.round, up_to=before.last_entry, bound=most_waiting)
    ledger = await read_ledger(sale, engine, before, waiting)
    if ledger is None:
        return None
    after = await gate.snapshot(sale.name)
    return Measurement(server=server, before=before, after=after, ledger=ledger, complete=waiting.complete)


async def read_ledger(
    sale: Sale, engine: AsyncEngine, snapshot: GateSnapshot | None, waiting: StreamBacklog
) -> LedgerSide | None:
    """One statement, so that all of it is of one instant. None where the round is no longer the present one."""
    orders = list(waiting.orders.values())
    unreadable = list(waiting.unreadable.items())
    nobody = [""] * len(unreadable)
    arguments = {
        "sale": sale.name,
        "round": sale.round,
        "epoch": snapshot.epoch if snapshot else 0,
        "accepted": snapshot.accepted if snapshot else 0,
        "customers": [order.customer for order in orders] + nobody,
        "keys": [order.key for order in orders] + nobody,
        "entries": [name_of(order) for order in orders] + [name for name, _ in unreadable],
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
