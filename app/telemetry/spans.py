"""Spans of what is done, and log lines that name them. Without an SDK in the process they are nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.trace import Span, StatusCode, format_span_id, format_trace_id, get_current_span, get_tracer
from opentelemetry.util.types import AttributeValue
from structlog.contextvars import bound_contextvars

from app.errors import AtomicTicketsError

CHANGED = "atomictickets.changed"
"""True on a span that changed something outside this process."""
OUTCOME = "atomictickets.outcome"


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    expected: tuple[type[AtomicTicketsError], ...] = (),
) -> Iterator[Span]:
    """A child of the current span. An error passes and is its status; one that is `expected` is an outcome."""
    tracer = get_tracer("atomictickets")
    with (
        tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as current,
        bound_contextvars(**_names(current)),
    ):
        try:
            yield current
        except expected as error:
            current.set_attribute(OUTCOME, type(error).__name__)
            raise
        except Exception as error:
            fail(error)
            raise


def fail(error: Exception) -> None:
    """Makes `error` the status of the current span."""
    current = get_current_span()
    current.record_exception(error)
    current.set_status(StatusCode.ERROR, str(error))


def trace_id() -> str:
    """Of the current span: 32 hexadecimal digits, '' where there is none."""
    return _names(get_current_span()).get("trace_id", "")


def _names(current: Span) -> dict[str, str]:
    context = current.get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}
