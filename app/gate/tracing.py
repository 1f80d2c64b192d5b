"""The spans of the gate: one for each sampled purchase in its buyer's trace, and one for the call that they share.

`gate.reserve` lasts from the queue to the answer, and it is what the order's entry in the stream names: the worker's
span becomes its child. The call decides up to 128 purchases, of many traces, so that it begins a trace of its own; the
two link to each other.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.util.types import AttributeValue

from app.gate.replies import BatchReply, GateForgot
from app.sales.outcomes import Reserved
from app.telemetry.context import parse
from app.telemetry.spans import span

SYSTEM = {"db.system.name": "redis", "db.operation.name": "EVALSHA", "db.stored_procedure.name": "reserve"}


def reserving(sale: str) -> AbstractContextManager[Span]:
    """The way of one purchase through the gate."""
    asked = {"atomictickets.sale": sale, "messaging.system": "redis"}
    return span("gate.reserve", asked, kind=SpanKind.PRODUCER, expected=(GateForgot,))


def calling(sale: str, purchases: int, spans: Sequence[Span]) -> AbstractContextManager[Span]:
    """The script call. `purchases`: how many it decides; `spans`: of those among them that are sampled."""
    attributes: dict[str, AttributeValue] = {**SYSTEM, "db.operation.batch.size": purchases, "atomictickets.sale": sale}
    links = [Link(each.get_span_context()) for each in spans]
    return span(
        "EVALSHA reserve", attributes, kind=SpanKind.CLIENT, links=links, context=Context(), expected=(GateForgot,)
    )


def tell(call: Span, reply: BatchReply, spans: Sequence[Span], seeded_by: str) -> None:
    """What the call came to; and of the first one in an epoch, which reconciliation (or request) seeded it."""
    accepted = [decision.outcome for decision in reply.decisions if decision.number]
    taken = sum(outcome.quantity for outcome in accepted if isinstance(outcome, Reserved))
    call.set_attributes(
        {
            "atomictickets.round": reply.fence.round,
            "atomictickets.epoch": reply.fence.epoch,
            "atomictickets.accepted": len(accepted),
            "atomictickets.remaining_before": reply.remaining + taken,
            "atomictickets.remaining": reply.remaining,
        }
    )
    seeding = parse(seeded_by)
    for each in spans:
        if not each.is_recording():  # its buyer went away meanwhile
            continue
        each.add_link(call.get_span_context())
        each.set_attribute("atomictickets.epoch", reply.fence.epoch)
        if seeding is not None:
            each.add_link(seeding, {"atomictickets.link": "seeded by"})
