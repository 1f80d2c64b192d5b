"""Measure the identity of one sale exactly while it sells: read Redis first and the ledger last.

1. Look at both stores (app.reconcile.observation). If there is evidence that one of them went back in time, stop here.
2. Read the stream up to the newest entry of the last snapshot. An entry leaves the stream only after its booking is
   committed.
3. Read the ledger in one statement, for orders up to that snapshot's number. So each order is seen in step 2, in step
   3, or in both, and counts once.
4. Take another snapshot. If stock, repairs or releases have changed meanwhile, the sums are not of one instant.

If the ledger were read first, orders that are drained between the two readings would be in neither.
"""

from collections import OrderedDict
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.set_aside import entry_key
from app.gate.gate import Gate
from app.gate.replies import GateSnapshot
from app.ledger.availability import LedgerUnavailable, ledger_reachable
from app.reconcile.observation import Observation
from app.reconcile.stream_backlog import StreamBacklog, read_backlog
from app.sales.model import Sale
from app.sales.recent import KNOWN_SALES, remember

MAX_WAITING = 20_000  # orders in the stream; if there are more, the check waits until the drain has caught up

# `waiting`: orders in the stream that the ledger neither knows under the buyer's key nor has set aside.
# `decided`: orders of the epoch, in any status. `known`: purchases of the round, as the gate's answers count them.
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
    ), booked AS (
        SELECT coalesce(sum(quantity) FILTER (WHERE status = 'booked'), 0) AS tickets,
            coalesce(sum(quantity) FILTER (WHERE status = 'cancelled'), 0) AS cancelled,
            count(*) FILTER (WHERE status = 'cancelled') AS cancellations,
            count(*) FILTER (WHERE status <> 'duplicate') AS purchases,
            count(*) FILTER (WHERE epoch = :epoch) AS decided
        FROM bookings WHERE sale = :sale AND round = :round AND (epoch, number) <= (:epoch, :accepted)
    ), set_aside AS (
        SELECT coalesce(sum(quantity), 0) AS tickets, count(*) AS purchases,
            count(*) FILTER (WHERE epoch = :epoch) AS decided
        FROM set_aside
        WHERE sale = :sale AND round = :round AND set_aside_at IS NOT NULL AND (epoch, number) <= (:epoch, :accepted)
    ), backlog AS (
        SELECT coalesce(sum(quantity), 0) AS tickets, count(*) AS purchases FROM waiting
    )
    SELECT i.epoch, b.tickets AS booked, b.cancelled, b.cancellations, a.tickets AS set_aside, w.tickets AS waiting,
        b.decided + a.decided AS decided, b.purchases + a.purchases + w.purchases AS known
    FROM inventory i, booked b, set_aside a, backlog w
    WHERE i.sale = :sale AND i.round = :round
""")

log = structlog.get_logger()
told: OrderedDict[str, bool] = OrderedDict()
"""The sales of which it was logged that their bookings can't be counted in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The sums over the orders of a round up to the gate's snapshot `at`.

    `booked`, `cancelled`, `set_aside` and `waiting` (in the stream alone) are in tickets, `cancellations` in orders.
    `decided`: the orders of the snapshot's epoch that the ledger has booked, rejected, or set aside.
    `known`: the purchases that the ledger or the stream has.
    `exact`: whether the sums are of one instant: the sale did not change meanwhile.
    """

    at: GateSnapshot
    booked: int
    cancelled: int
    cancellations: int
    set_aside: int
    waiting: int
    decided: int
    known: int
    exact: bool

    @property
    def missing(self) -> int:
        """Return how many of the gate's tickets are neither left nor promised; negative if too many are promised."""
        return self.at.stock - (self.at.remaining + self.waiting + self.set_aside + self.booked)


async def add_up(
    sale: Sale, observation: Observation, gate: Gate, engine: AsyncEngine, *, max_waiting: int = MAX_WAITING
) -> Sums | None:
    """Add up the orders of the observed round.

    Return None if the stream is too long to read to its end, or if the ledger has too many bookings to count in time;
    a ledger that is away looks the same. Raise GateUnavailable if the stock server is away.
    """
    at = observation.after
    if at is None:
        return None
    waiting = await read_backlog(gate, sale.name, sale.round, up_to=at.last_entry, bound=max_waiting)
    if not waiting.complete:
        return None
    try:
        sums = await _read_ledger(sale, engine, at, waiting)
    except LedgerUnavailable as error:
        if sale.name not in told:
            remember(told, sale.name, True, KNOWN_SALES)
            log.warning("bookings not counted in time; repairs do not wait for it", sale=sale.name, error=error.detail)
        return None
    if sums is None:
        return None
    epoch = sums.pop("epoch")
    now = await gate.snapshot(sale.name)
    exact = now is not None and at.epoch == epoch and _fixed_fields(at) == _fixed_fields(now)
    return Sums(at=at, exact=exact, **sums)


def _fixed_fields(gate: GateSnapshot) -> tuple[int, int, int, int, int, str]:
    """Return the fields that must not change while the sums are taken."""
    return gate.round, gate.epoch, gate.stock, gate.repairs, gate.released, gate.server


async def _read_ledger(
    sale: Sale, engine: AsyncEngine, at: GateSnapshot, waiting: StreamBacklog
) -> dict[str, int] | None:
    """Read the ledger's figures in one statement, so that all are of one instant. Return None if the round is gone."""
    orders = list(waiting.orders.values())
    unreadable = list(waiting.unreadable.items())
    blank = [""] * len(unreadable)
    arguments = {
        "sale": sale.name,
        "round": sale.round,
        "epoch": at.epoch,
        "accepted": at.accepted,
        "customers": [order.customer for order in orders] + blank,
        "keys": [order.key for order in orders] + blank,
        "entries": [entry_key(order) for order in orders] + [key for key, _ in unreadable],
        "quantities": [order.quantity for order in orders] + [tickets for _, tickets in unreadable],
    }
    with ledger_reachable():
        async with engine.connect() as connection:
            row = (await connection.execute(LEDGER, arguments)).mappings().first()
    return None if row is None else dict(row)
