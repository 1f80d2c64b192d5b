"""The check of a sale after a fault: the buyers' answers, the ledger and the resource's status must agree."""

import time
from collections.abc import Iterable

from app.blasts.load.result import ACCEPTED, PurchaseRecord
from tests.cluster.pods.shop import Shop
from tests.cluster.statuses import Status
from tests.support.until import block_until

EXACT_SECONDS = 30


def assert_exact(shop: Shop, sale: str, purchases: Iterable[PurchaseRecord], *, since: float | None = None) -> Status:
    """Assert that the bookings match the buyers' answers, and return the resource's status once it agrees.

    Each accepted request has exactly one booking, each request without an answer at most one, and there are no others.
    The status must agree within 30 s after `since`, on the monotonic clock, or after now.
    """
    purchases, deadline = list(purchases), (time.monotonic() if since is None else since) + EXACT_SECONDS
    accepted = {(each.customer, each.key) for each in purchases if each.outcome == ACCEPTED}
    unanswered = {(each.customer, each.key) for each in purchases if each.status == 0 or each.status >= 500}
    # The stock server itself is asked, because a status may be seconds old.
    block_until(lambda: shop.backlog(sale) == 0, seconds=deadline - time.monotonic())
    booked = shop.bookings(sale)
    tickets = sum(booked.values())
    assert [order for order, times in booked.items() if times > 1] == [], "booked twice"
    assert accepted - booked.keys() == set(), "accepted, and lost"
    assert booked.keys() - accepted - unanswered == set(), "booked, and never asked for"
    return shop.until_status(
        sale,
        lambda status: is_exact(status) and status["stock"]["booked"] == tickets,
        seconds=deadline - time.monotonic(),
    )


def is_exact(status: Status) -> bool:
    """Return whether all accepted orders have reached the ledger and every ticket is accounted for."""
    stock = status["stock"]
    drained = stock["backlog"] == stock["setAside"] == 0
    return bool(drained and stock["oversold"] == 0 and stock["total"] == stock["remaining"] + stock["booked"])
