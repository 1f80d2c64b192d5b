"""The race in traces: a span for the window of each attempt, and a span in both traces of two attempts that collide.

A span that has ended takes no event and no link, and a pair is found when both spans have ended. The process that finds
the pair therefore adds a span to each of the two traces. That span covers the last microsecond of the window, because
Jaeger warns of a span without length. Jaeger shows nothing of a link but its target, so the other side is in the
attributes too. No span contains a customer's name.
"""

import time
from collections.abc import Mapping
from types import MappingProxyType

from opentelemetry.trace import Link, SpanContext, format_span_id, format_trace_id, get_current_span
from opentelemetry.util.types import AttributeValue

from app.sales.attempt import Attempt, Hazard, Witness
from app.telemetry.context import sampled_span
from app.telemetry.spans import start_recorded_span

WINDOW = "race.window"
COLLISIONS: Mapping[Hazard, str] = MappingProxyType(
    {
        Hazard.LOST_UPDATE: "race.lost_update",
        Hazard.STALE_GUARD: "race.stale_guard",
        Hazard.WRITE_SKEW: "race.write_skew",
        Hazard.EXPIRED_LOCK: "race.expired_lock",
    }
)
STOCK = {
    "version_read": "atomictickets.stock.version_read",
    "version_written": "atomictickets.stock.version_written",
    "value_read": "atomictickets.stock.value_read",
    "value_written": "atomictickets.stock.value_written",
}
CUSTOMER = {
    "version_read": "atomictickets.customer.version_read",
    "version_written": "atomictickets.customer.version_written",
    "value_read": "atomictickets.customer.value_read",
    "value_written": "atomictickets.customer.value_written",
}


def record_window(attempt: Attempt, pod: str) -> tuple[str, str] | None:
    """Add the window to the current trace, and return the ids of its trace and span; None if that is not sampled."""
    request = get_current_span().get_span_context()
    if not request.trace_flags.sampled:
        return None
    span = start_recorded_span(WINDOW, request, attributes_of(attempt, pod), start_time=nanoseconds(attempt.read_at))
    span.end(nanoseconds(attempt.wrote_at or time.time()))
    return hexadecimal(span.get_span_context())


def record_collision(witness: Witness) -> None:
    """Add to both traces, as far as they are sampled, a span that names the other attempt."""
    for own, other in ((witness.first, witness.second), (witness.second, witness.first)):
        if own.trace_id is None or own.span_id is None or own.wrote_at is None:
            continue
        attributes = attributes_of(own, own.pod) | {"atomictickets.conflict.pod": other.pod}
        links = []
        if other.trace_id is not None and other.span_id is not None:
            attributes["atomictickets.conflict.trace_id"] = other.trace_id
            attributes["atomictickets.conflict.span_id"] = other.span_id
            links.append(Link(sampled_span(other.trace_id, other.span_id)))
        end = nanoseconds(own.wrote_at)
        window = sampled_span(own.trace_id, own.span_id)
        span = start_recorded_span(COLLISIONS[witness.hazard], window, attributes, links=links, start_time=end - 1000)
        span.end(end)


def attributes_of(attempt: Attempt, pod: str) -> dict[str, AttributeValue]:
    names = STOCK if attempt.guarded == "stock" else CUSTOMER
    written = {names[field]: getattr(attempt, field) for field in names if getattr(attempt, field) is not None}
    reservation = {} if attempt.reservation_id is None else {"atomictickets.reservation_id": attempt.reservation_id}
    return {
        "atomictickets.sale": attempt.sale,
        "atomictickets.round": attempt.round,
        "atomictickets.strategy": attempt.strategy,
        "atomictickets.hazard": attempt.hazard,
        "atomictickets.attempt.pod": pod,
        **reservation,
        **written,
    }


def hexadecimal(context: SpanContext) -> tuple[str, str]:
    """Return the trace id and the span id in hexadecimal digits."""
    return format_trace_id(context.trace_id), format_span_id(context.span_id)


def nanoseconds(seconds: float) -> int:
    """Return the time in nanoseconds, rounded to microseconds.

    A float of today's time resolves a quarter of a microsecond.
    """
    return round(seconds * 1_000_000) * 1000
