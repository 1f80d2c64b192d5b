"""The spans of a batch: one for the batch, which carries orders of many buyers, and one for each sampled order.

The order's own span is a child of the `gate.reserve` that its entry names, in whatever process that was. Both link to
each other through the batch. They are made when the batch has come to its end: a worker that dies leaves none, and the
next one tells of the same orders as `claimed`.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from time import time_ns

from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanContext, SpanKind

from app.drain.stream import Delivery
from app.ledger.bookings import Booked
from app.sales.order import Order
from app.telemetry.context import parse
from app.telemetry.names import OUTCOME
from app.telemetry.spans import decided, start_decided

SYSTEM = {"messaging.system": "redis", "messaging.operation.type": "process", "messaging.consumer.group.name": "ledger"}


class BatchTrace:
    """The sampled orders of one batch, with the spans that they follow from."""

    def __init__(self, delivery: Delivery, sampled: Sequence[tuple[Order, SpanContext]], batch: Span) -> None:
        self._delivery = delivery
        self._sampled = sampled
        self._batch = batch
        self._began = time_ns()

    def tell(self, booked: Booked, *, failed: Collection[str], set_aside: Collection[str]) -> None:
        """What became of each order, by its entry; one that is in none of them was in the ledger before."""
        if not self._sampled:
            return
        became = {row.order.entry: row.status.value for row in booked.rows}
        became |= dict.fromkeys(failed, "failed") | dict.fromkeys(set_aside, "set-aside")
        for order, reserve in self._sampled:
            attributes = SYSTEM | {
                "messaging.message.id": order.entry,
                "atomictickets.sale": order.id.sale,
                "atomictickets.round": order.round,
                "atomictickets.epoch": order.epoch,
                "atomictickets.number": order.number,
                "atomictickets.ticket": order.ticket,
                "atomictickets.reservation_id": order.reservation_id,
                "atomictickets.delivery": self._delivery.value,
                OUTCOME: became.get(order.entry, "known"),
            }
            links = [Link(self._batch.get_span_context())]
            booking = start_decided(
                "ledger.book", reserve, attributes, kind=SpanKind.CONSUMER, links=links, start_time=self._began
            )
            booking.end()


@contextmanager
def batch_trace(sale: str, orders: Sequence[Order], delivery: Delivery) -> Iterator[BatchTrace]:
    """Traces the batch if one of its orders is sampled. An error is the batch's; its orders are tried again."""
    sampled = [(order, found) for order in orders if order.traceparent and (found := parse(order.traceparent))]
    if not sampled:
        yield BatchTrace(delivery, sampled, INVALID_SPAN)
        return
    attributes = SYSTEM | {
        "messaging.batch.message_count": len(orders),
        "atomictickets.sale": sale,
        "atomictickets.delivery": delivery.value,
    }
    links = [Link(found) for _, found in sampled]
    with decided("ledger.book batch", None, attributes, kind=SpanKind.CONSUMER, links=links) as batch:
        yield BatchTrace(delivery, sampled, batch)
