"""What becomes of each order of a batch. Pure, so that every case is a table row in a test."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from app.ledger.models import BookingStatus
from app.sales.order import Order

Buyer = tuple[str, str]
"""Customer and idempotency key: who asks, and for which of his purchases."""


@dataclass(frozen=True, slots=True)
class Row:
    """One booking to insert. `alias_of` is the reservation id of the first booking, of a duplicate only."""

    order: Order
    status: BookingStatus
    alias_of: str | None = None


def plan(
    orders: Iterable[Order],
    *,
    known_ids: Collection[str],
    first_bookings: Mapping[Buyer, str],
    room: int,
    guarded: bool,
) -> list[Row]:
    """The rows for `orders` of one round, in their order.

    `known_ids`: reservation ids that the ledger has; a redelivery adds no row. `first_bookings`: the reservation id
    under which a buyer's key is in the ledger already, whatever became of it; a second id of the same buyer and key is
    its duplicate and takes no room. `room`: tickets left; what doesn't fit is rejected, unless the round is unguarded.
    """
    seen = set(known_ids)
    first = dict(first_bookings)
    rows: list[Row] = []
    for order in orders:
        if order.reservation_id in seen:
            continue
        seen.add(order.reservation_id)
        alias_of = first.setdefault((order.customer, order.key), order.reservation_id)
        if alias_of != order.reservation_id:
            rows.append(Row(order, BookingStatus.DUPLICATE, alias_of))
        elif guarded and order.quantity > room:
            rows.append(Row(order, BookingStatus.REJECTED))
        else:
            room -= order.quantity
            rows.append(Row(order, BookingStatus.BOOKED))
    return rows
