"""Spans of this project's work. They do nothing in a process without a provider.

There are two kinds: `span`, for which the sampler decides, and `recorded_span`, which is known to be sampled.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from opentelemetry.context import attach, detach
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    format_span_id,
    format_trace_id,
    get_current_span,
    get_tracer,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from app.errors import AtomicTicketsError
from app.telemetry.context import traceparent_of
from app.telemetry.names import OUTCOME, SCOPE

if TYPE_CHECKING:
    from app.telemetry.recorded import Recorder

_TRACER = get_tracer(SCOPE)  # a proxy, which uses the provider once there is one
_RECORDER: "Recorder | None" = None


def record_with(recorder: "Recorder") -> None:
    """Make this process create recorded spans, from now on, with this recorder."""
    global _RECORDER  # noqa: PLW0603  one per process, like OpenTelemetry's provider
    _RECORDER = recorder


def span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    expected: tuple[type[AtomicTicketsError], ...] = (),
) -> AbstractContextManager[Span]:
    """Return a context manager with a child of the current span.

    An error passes through and becomes the status of the span. An error of a type in `expected` is recorded as an
    outcome instead.
    """
    return _Current(_TRACER.start_span(name, attributes=attributes), expected)


def recorded_span(
    name: str,
    parent: SpanContext | None,
    attributes: Mapping[str, AttributeValue],
    *,
    kind: SpanKind,
    links: Sequence[Link] = (),
    start_time: int | None = None,
    expected: tuple[type[AtomicTicketsError], ...] = (),
) -> AbstractContextManager[Span]:
    """Return a context manager as `span` does, for a span that is sampled in any case.

    `parent`: the local or remote parent; None starts a trace.
    `start_time`: nanoseconds since 1970, if the span began earlier than now.
    """
    return _Current(
        start_recorded_span(name, parent, attributes, kind=kind, links=links, start_time=start_time), expected
    )


def start_recorded_span(
    name: str,
    parent: SpanContext | None,
    attributes: Mapping[str, AttributeValue],
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] = (),
    start_time: int | None = None,
) -> Span:
    """Start a span as `recorded_span` does, without making it the current one. The caller must end it."""
    if _RECORDER is None:
        return INVALID_SPAN
    return _RECORDER.start(name, parent, attributes, kind=kind, links=links, start_time=start_time)


class _Current:
    """A context manager that makes a span the current one.

    It is written by hand: the library's own is three generators deep and costs 6 us more.
    """

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
            record_error(error)
        detach(self._token)
        self._span.end()


def record_error(error: Exception) -> None:
    """Make `error` the status of the current span."""
    current = get_current_span()
    current.record_exception(error)
    current.set_status(StatusCode.ERROR, str(error))


def span_ids() -> dict[str, str]:
    """Return `trace_id` and `span_id` of the current span, in hexadecimal digits; empty if there is none."""
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}


def trace_id() -> str:
    """Return the trace id of the current span, as 32 hexadecimal digits, or '' if there is none."""
    return span_ids().get("trace_id", "")


def current_traceparent() -> str:
    """Return the traceparent of the current span, or '' if it is not sampled."""
    return traceparent_of(get_current_span().get_span_context())
