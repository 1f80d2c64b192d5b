"""What must be so of an accepted order, by the spans of its trace."""

from tests.support.received import Received, Spans

BUY, RESERVE, CALL, BOOK, BATCH = (
    "POST /buy-ticket", "gate.reserve", "EVALSHA reserve", "ledger.book", "ledger.book batch",
)  # fmt: skip
OUTCOME, RESERVATION, DELIVERY = (
    "atomictickets.outcome", "atomictickets.reservation_id", "atomictickets.delivery",
)  # fmt: skip
RESERVED = "reserved"


def told(span: Received, *names: str) -> tuple[object, ...]:
    return tuple(span.attributes.get(name) for name in names)


def accepted(spans: Spans) -> list[Received]:
    """Their requests."""
    return [span for span in spans.named(BUY) if told(span, OUTCOME) == (RESERVED,)]


def whole_orders(spans: Spans) -> int:
    """Accepted purchases whose trace holds all three: request, script and booking."""
    return sum(
        1
        for bought in spans.named(BUY)
        for reserved in spans.children(bought.ids, RESERVE)
        for _ in spans.children(reserved.ids, BOOK)
    )


def one_story(spans: Spans, bought: Received) -> tuple[Received, Received]:
    """Its reservation and its booking. Checked: from the load generator to the ledger, each once, in one trace."""
    [buy] = [asked for asked in spans.named("buy") if asked.ids == (bought.trace_id, bought.parent_id)]
    [reserve] = spans.children(bought.ids, RESERVE)
    [book] = spans.children(reserve.ids, BOOK)
    assert (buy.service, buy.parent_id) == ("atomictickets-blast-runner", "")
    assert (bought.service, reserve.service, book.service) == (
        "atomictickets-api", "atomictickets-api", "atomictickets-worker",
    )  # fmt: skip
    assert (bought.kind, reserve.kind, book.kind) == ("SERVER", "PRODUCER", "CONSUMER")
    assert told(bought, RESERVATION) == told(book, RESERVATION) != (None,)
    assert told(book, OUTCOME, DELIVERY) == ("booked", "first")
    assert told(bought, "http.route", "http.response.status_code") == ("/buy-ticket", 200)
    return reserve, book
