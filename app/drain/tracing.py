"""The spans of a batch: one for the batch, which carries the orders of many buyers, and one for each sampled order.

An order's span is a child of the `gate.reserve` span that its entry names, in whichever process that span was made. It
links to the batch's span, which links to each `gate.reserve`. The orders' spans are made when the batch ends: a worker
that dies leaves none, and the next worker reports the same orders as `claimed`.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from time import time_ns

from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanContext, SpanKind

from app.drain.stream import Delivery
from app.ledger.bookings import Booked
from app.sales.order import Order
from app.telemetry.context import parse_traceparent
from app.telemetry.names import OUTCOME
from app.telemetry.spans import recorded_span, start_recorded_span

SYSTEM = {"messaging.system": "redis", "messaging.operation.type": "process", "messaging.consumer.group.name": "ledger"}


class BatchTrace:
    """The sampled orders of one batch, each with the context of the `gate.reserve` span that its own span follows."""

    def __init__(self, delivery: Delivery, sampled: Sequence[tuple[Order, SpanContext]], batch: Span) -> None:
        self._delivery = delivery
        self._sampled = sampled
        self._batch = batch
        self._began = time_ns()

    def record(self, booked: Booked, *, failed: Collection[str], set_aside: Collection[str]) -> None:
        """Make the span of each sampled order, with the order's outcome.

        `failed` and `set_aside` hold stream ids. The outcome of an order that is neither there nor in `booked` is
        `known`: the ledger had it before.
        """
        if not self._sampled:
            return
        outcomes = {row.order.entry: row.status.value for row in booked.rows}
        outcomes |= dict.fromkeys(failed, "failed") | dict.fromkeys(set_aside, "set-aside")
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
                OUTCOME: outcomes.get(order.entry, "known"),
            }
            links = [Link(self._batch.get_span_context())]
            booking = start_recorded_span(
                "ledger.book", reserve, attributes, kind=SpanKind.CONSUMER, links=links, start_time=self._began
            )
            booking.end()


@contextmanager
def batch_trace(sale: str, orders: Sequence[Order], delivery: Delivery) -> Iterator[BatchTrace]:
    """Trace the batch if one of its orders is sampled.

    An error is recorded in the batch's span only, since its orders are tried again.
    """
    sampled = [
        (order, context) for order in orders if order.traceparent and (context := parse_traceparent(order.traceparent))
    ]
    if not sampled:
        yield BatchTrace(delivery, sampled, INVALID_SPAN)
        return
    attributes = SYSTEM | {
        "messaging.batch.message_count": len(orders),
        "atomictickets.sale": sale,
        "atomictickets.delivery": delivery.value,
    }
    links = [Link(context) for _, context in sampled]
    with recorded_span("ledger.book batch", None, attributes, kind=SpanKind.CONSUMER, links=links) as batch:
        yield BatchTrace(delivery, sampled, batch)
