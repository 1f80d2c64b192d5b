"""The spans of the gate: one for each sampled purchase, in its buyer's trace, and one for the call that they share.

`gate.reserve` lasts from the queue to the answer. The order's entry in the stream names this span, so the worker's span
becomes its child. The shared call decides up to 128 purchases of many traces. It therefore begins its own trace, and
the span of each purchase links to it. (Links back would double the cost of the call's span and add no information.)
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind, get_current_span
from opentelemetry.util.types import AttributeValue

from app.gate.replies import BatchReply, GateForgot
from app.sales.outcomes import Reserved
from app.telemetry.context import parse_traceparent
from app.telemetry.spans import recorded_span

CALLS = {"EVALSHA": "EVALSHA reserve", "FCALL": "FCALL reserve"}
"""The name of the shared call's span, by Redis command."""


def reserve_span(sale: str) -> AbstractContextManager[Span]:
    """Return a context manager with the span of one sampled purchase, from the queue to the answer."""
    attributes = {"atomictickets.sale": sale, "messaging.system": "redis"}
    parent = get_current_span().get_span_context()
    return recorded_span("gate.reserve", parent, attributes, kind=SpanKind.PRODUCER, expected=(GateForgot,))


def call_span(command: str, sale: str, purchases: int) -> AbstractContextManager[Span]:
    """Return a context manager with the span of a shared call that has a sampled purchase.

    `command` is a key of CALLS. `purchases` is the number of purchases that the call decides.
    """
    attributes: dict[str, AttributeValue] = {
        "db.system.name": "redis",
        "db.operation.name": command,
        "db.stored_procedure.name": "reserve",
        "db.operation.batch.size": purchases,
        "atomictickets.sale": sale,
    }
    return recorded_span(CALLS[command], None, attributes, kind=SpanKind.CLIENT, expected=(GateForgot,))


def record_reply(call: Span, reply: BatchReply, spans: Sequence[Span], seeded_by: str) -> None:
    """Record the reply on the call's span, and link the purchases' `spans` to the call.

    `seeded_by` is the traceparent of the reconciliation or request that seeded the epoch, for the first call in the
    epoch; the spans link to it too. It is '' for later calls.
    """
    accepted = taken = 0
    for decision in reply.decisions:
        if decision.number and type(decision.outcome) is Reserved:
            accepted += 1
            taken += decision.outcome.quantity
    call.set_attributes(
        {
            "atomictickets.round": reply.token.round,
            "atomictickets.epoch": reply.token.epoch,
            "atomictickets.accepted": accepted,
            "atomictickets.remaining_before": reply.remaining + taken,
            "atomictickets.remaining": reply.remaining,
        }
    )
    seeding = parse_traceparent(seeded_by)
    for span in spans:
        if not span.is_recording():  # the buyer has disconnected
            continue
        span.add_link(call.get_span_context())
        span.set_attribute("atomictickets.epoch", reply.token.epoch)
        if seeding is not None:
            span.add_link(seeding, {"atomictickets.link": "seeded by"})
