"""Spans of what is done. Without a provider in the process they are nothing."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    get_current_span,
    get_tracer,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from app.errors import AtomicTicketsError
from app.telemetry.context import traceparent_of

CHANGED = "atomictickets.changed"
"""True on a span that changed something outside this process."""
OUTCOME = "atomictickets.outcome"

_TRACER = get_tracer("atomictickets")  # finds the provider when one is there


def tracer() -> Tracer:
    return _TRACER


def span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] = (),
    context: Context | None = None,
    start_time: int | None = None,
    expected: tuple[type[AtomicTicketsError], ...] = (),
) -> AbstractContextManager[Span]:
    """A child of the current span, or of that in `context`. An error passes and is its status; one that is `expected`
    is an outcome. `start_time`: nanoseconds since 1970, where it began earlier than now."""
    return _Current(_TRACER.start_span(name, context, kind, attributes, links, start_time), expected)


class _Current:
    """Makes a span the current one. By hand: the library's own way is three generators deep, and costs 6 us more."""

    __slots__ = ("_expected", "_span", "_token")

    def __init__(self, started: Span, expected: tuple[type[AtomicTicketsError], ...]) -> None:
        self._span = started
        self._expected = expected

    def __enter__(self) -> Span:
        self._token = attach(set_span_in_context(self._span))
        return self._span

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, self._expected):
            self._span.set_attribute(OUTCOME, type(error).__name__)
        elif isinstance(error, Exception):
            fail(error)
        detach(self._token)
        self._span.end()


def fail(error: Exception) -> None:
    """Makes `error` the status of the current span."""
    current = get_current_span()
    current.record_exception(error)
    current.set_status(StatusCode.ERROR, str(error))


def names() -> dict[str, str]:
    """`trace_id` and `span_id` of the current span, in hexadecimal digits; empty where there is none."""
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}


def trace_id() -> str:
    """Of the current span: 32 hexadecimal digits, '' where there is none."""
    return names().get("trace_id", "")


def current_traceparent() -> str:
    """What names the current span elsewhere; '' where it isn't sampled."""
    return traceparent_of(get_current_span().get_span_context())
