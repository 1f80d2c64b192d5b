"""What must be true of a sale after a fault: the buyers, the ledger and the resource's status agree."""

from collections import Counter
from collections.abc import Iterable

from app.lab.load.result import ACCEPTED, Told
from tests.cluster.pods.shop import Shop, Status

EXACT_SECONDS = 30


def check(shop: Shop, sale: str, told: Iterable[Told]) -> Status:
    """Each "reserved" is one booking; each request without an answer is one at most; nobody else has any."""
    told = list(told)
    settled = shop.until_status(sale, is_exact, seconds=EXACT_SECONDS)
    rows = shop.rows(f"SELECT customer, idempotency_key AS key, quantity, status FROM bookings WHERE sale = '{sale}'")  # noqa: S608  a name of the test
    booked = Counter((row["customer"], row["key"]) for row in rows if row["status"] == "booked")
    accepted = {(each.customer, each.key) for each in told if each.outcome == ACCEPTED}
    unanswered = {(each.customer, each.key) for each in told if each.status == 0 or each.status >= 500}
    assert [order for order, times in booked.items() if times > 1] == [], "booked twice"
    assert accepted - booked.keys() == set(), "accepted, and lost"
    assert booked.keys() - accepted - unanswered == set(), "booked, and never asked for"
    assert sum(booked.values()) == settled["stock"]["booked"] <= settled["stock"]["total"]
    return settled


def is_exact(status: Status) -> bool:
    """All that was accepted has reached the ledger, and every ticket is accounted for."""
    stock = status["stock"]
    drained = stock["backlog"] == stock["setAside"] == 0
    return bool(drained and stock["oversold"] == 0 and stock["total"] == stock["remaining"] + stock["booked"])
