"""Assertions about an accepted order, made from the spans of its trace."""

from tests.support.received import ReceivedSpan, Spans

BUY, RESERVE, CALL, BOOK, BATCH = (
    "POST /buy-ticket", "gate.reserve", "EVALSHA reserve", "ledger.book", "ledger.book batch",
)  # fmt: skip
OUTCOME, RESERVATION, DELIVERY = (
    "atomictickets.outcome", "atomictickets.reservation_id", "atomictickets.delivery",
)  # fmt: skip
RESERVED = "reserved"


def attributes_of(span: ReceivedSpan, *names: str) -> tuple[object, ...]:
    """Return the span's attributes with these names, and None for each one that it lacks."""
    return tuple(span.attributes.get(name) for name in names)


def accepted(spans: Spans) -> list[ReceivedSpan]:
    """Return the request spans of the accepted orders."""
    return [span for span in spans.named(BUY) if attributes_of(span, OUTCOME) == (RESERVED,)]


def whole_orders(spans: Spans) -> int:
    """Return how many orders have a trace with all three spans: request, script and booking."""
    return sum(
        1
        for bought in spans.named(BUY)
        for reserved in spans.children(bought.ids, RESERVE)
        for _ in spans.children(reserved.ids, BOOK)
    )


def trace_of_order(spans: Spans, bought: ReceivedSpan) -> tuple[ReceivedSpan, ReceivedSpan]:
    """Return the order's reservation span and booking span.

    Assert that its trace leads from the load generator to the ledger, with each span exactly once.
    """
    [buy] = [span for span in spans.named("buy") if span.ids == (bought.trace_id, bought.parent_id)]
    [reserve] = spans.children(bought.ids, RESERVE)
    [book] = spans.children(reserve.ids, BOOK)
    assert (buy.service, buy.parent_id) == ("atomictickets-blast-runner", "")
    assert (bought.service, reserve.service, book.service) == (
        "atomictickets-api", "atomictickets-api", "atomictickets-worker",
    )  # fmt: skip
    assert (bought.kind, reserve.kind, book.kind) == ("SERVER", "PRODUCER", "CONSUMER")
    assert attributes_of(bought, RESERVATION) == attributes_of(book, RESERVATION) != (None,)
    assert attributes_of(book, OUTCOME, DELIVERY) == ("booked", "first")
    assert attributes_of(bought, "http.route", "http.response.status_code") == ("/buy-ticket", 200)
    return reserve, book
