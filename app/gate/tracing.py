"""The spans of the gate: one for each sampled purchase in its buyer's trace, and one for the call that they share.

`gate.reserve` lasts from the queue to the answer, and it is what the order's entry in the stream names: the worker's
span becomes its child. The call decides up to 128 purchases, of many traces, so that it begins a trace of its own, to
which each of them links. (Links back would double what the call's span costs, and tell nothing that these don't.)
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind, get_current_span
from opentelemetry.util.types import AttributeValue

from app.gate.replies import BatchReply, GateForgot
from app.sales.outcomes import Reserved
from app.telemetry.context import parse
from app.telemetry.spans import decided

CALLS = {"EVALSHA": "EVALSHA reserve", "FCALL": "FCALL reserve"}
"""The span of the shared call, by the command that it is."""


def reserving(sale: str) -> AbstractContextManager[Span]:
    """The way of one sampled purchase through the gate."""
    asked = {"atomictickets.sale": sale, "messaging.system": "redis"}
    parent = get_current_span().get_span_context()
    return decided("gate.reserve", parent, asked, kind=SpanKind.PRODUCER, expected=(GateForgot,))


def calling(command: str, sale: str, purchases: int) -> AbstractContextManager[Span]:
    """The shared call, where one of its purchases is sampled. `command`: of CALLS. `purchases`: how many it decides."""
    attributes: dict[str, AttributeValue] = {
        "db.system.name": "redis",
        "db.operation.name": command,
        "db.stored_procedure.name": "reserve",
        "db.operation.batch.size": purchases,
        "atomictickets.sale": sale,
    }
    return decided(CALLS[command], None, attributes, kind=SpanKind.CLIENT, expected=(GateForgot,))


def tell(call: Span, reply: BatchReply, spans: Sequence[Span], seeded_by: str) -> None:
    """What the call came to; and of the first one in an epoch, which reconciliation (or request) seeded it."""
    accepted = taken = 0
    for decision in reply.decisions:
        if decision.number and type(decision.outcome) is Reserved:
            accepted += 1
            taken += decision.outcome.quantity
    call.set_attributes(
        {
            "atomictickets.round": reply.fence.round,
            "atomictickets.epoch": reply.fence.epoch,
            "atomictickets.accepted": accepted,
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
