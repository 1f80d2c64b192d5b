"""What must be true of a sale after a fault: the buyers, the ledger and the resource's status agree."""

import time
from collections.abc import Iterable

from app.blasts.load.result import ACCEPTED, Told
from tests.cluster.pods.shop import Shop
from tests.cluster.statuses import Status
from tests.support.until import block_until

EXACT_SECONDS = 30


def check(shop: Shop, sale: str, told: Iterable[Told], *, since: float | None = None) -> Status:
    """Each "reserved" is one booking; each request without an answer is one at most; nobody else has any.

    Returns the resource's status, which says the same within 30 s: of `since` on the monotonic clock, or of now.
    """
    told, deadline = list(told), (time.monotonic() if since is None else since) + EXACT_SECONDS
    accepted = {(each.customer, each.key) for each in told if each.outcome == ACCEPTED}
    unanswered = {(each.customer, each.key) for each in told if each.status == 0 or each.status >= 500}
    # Asked of the stock server itself: a status may be seconds old.
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
    """All that was accepted has reached the ledger, and every ticket is accounted for."""
    stock = status["stock"]
    drained = stock["backlog"] == stock["setAside"] == 0
    return bool(drained and stock["oversold"] == 0 and stock["total"] == stock["remaining"] + stock["booked"])
