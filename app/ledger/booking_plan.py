"""The plan of a batch: which order is booked, rejected or a duplicate.

The functions here are pure, so that a test can list every case as a row of a table.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.sales.order import Order

PurchaseKey = tuple[str, str]
"""Customer and idempotency key. Together they identify one purchase of a round."""


class BookingStatus(StrEnum):
    """A `duplicate` is an alias of its key's first booking: its answer was lost, and the buyer had bought again."""

    BOOKED = "booked"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Row:
    """One booking to insert. `alias_of` is the first booking's reservation id if this one is a duplicate."""

    order: Order
    status: BookingStatus
    alias_of: str | None = None


def plan(
    orders: Iterable[Order],
    *,
    known_ids: Collection[str],
    first_bookings: Mapping[PurchaseKey, str],
    room: int,
    guarded: bool,
) -> list[Row]:
    """Return the rows for `orders` of one round, in their order.

    `known_ids`: reservation ids that the ledger has. An order that is delivered again adds no row.
    `first_bookings`: the reservation id of the booking that the ledger has for a purchase key, whatever its status. An
    order with another id for the same key is a duplicate of that booking and takes no room.
    `room`: tickets left. An order that does not fit is rejected, unless the round is unguarded.
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
