"""Spans of the test's own process."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_trace_id


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return format_trace_id(span.context.trace_id)
