"""The tally of one round. It counts the ledger's rows and trusts no counter, because races corrupt counters."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.receipts import UNACCOUNTED
from app.sales.model import UnknownSale

TALLY = text(f"""
    SELECT i.epoch, i.stock, b.booked, b.rejected, b.duplicates, b.rebooked, a.set_aside,
        i.remaining AS counter_remaining, i.recount, u.unaccounted,
        coalesce(h.epoch, 0) AS highest_epoch, coalesce(h.number, 0) AS highest_number
    FROM inventory i
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity) FILTER (WHERE status = 'booked'), 0) AS booked,
            coalesce(sum(quantity) FILTER (WHERE status = 'rejected'), 0) AS rejected,
            coalesce(sum(quantity) FILTER (WHERE status = 'duplicate'), 0) AS duplicates,
            coalesce(sum(quantity) FILTER (WHERE rebooked AND status = 'booked'), 0) AS rebooked
        FROM bookings WHERE sale = i.sale AND round = i.round
    ) b
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity), 0) AS set_aside
        FROM set_aside WHERE sale = i.sale AND round = i.round AND set_aside_at IS NOT NULL
    ) a
    CROSS JOIN LATERAL (SELECT coalesce(sum(r.quantity), 0) AS unaccounted {UNACCOUNTED}) u
    LEFT JOIN LATERAL (
        SELECT epoch, number FROM bookings WHERE sale = i.sale AND round = i.round AND epoch IS NOT NULL
        ORDER BY epoch DESC, number DESC LIMIT 1
    ) h ON true
    WHERE i.sale = :sale AND i.round = :round
""")  # noqa: S608  constants only


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The figures that the ledger holds of one round at one instant, in tickets.

    `rebooked`: tickets of the bookings that the ledger had lost and that were made again from the gate's answers.
    `counter_remaining`: the counter of the strategies that sell in Postgres.
    `highest`: the newest (epoch, number) of a booking of any status; (0, 0) if no booking came from the gate.
    `recount`: whether the round needs an exact check.
    `unaccounted`: tickets of receipts without any other row in the ledger; lost, unless the order waits in the stream.
    """

    epoch: int
    stock: int
    booked: int
    rejected: int
    duplicates: int
    rebooked: int
    set_aside: int
    counter_remaining: int
    recount: bool
    unaccounted: int
    highest: tuple[int, int]


async def tally(connection: AsyncConnection, name: str, round_: int) -> Tally:
    """Count the round in one statement, so that all figures are of one instant. Raise UnknownSale if there is none."""
    row = (await connection.execute(TALLY, {"sale": name, "round": round_})).mappings().first()
    if row is None:
        raise UnknownSale(f"The ledger has no round {round_} of the sale {name!r}.")
    counted = dict(row)
    highest = (counted.pop("highest_epoch"), counted.pop("highest_number"))
    return Tally(**counted, highest=highest)
