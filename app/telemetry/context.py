"""The position of a span as it travels between processes: W3C `traceparent` (https://www.w3.org/TR/trace-context/)."""

import re

from opentelemetry.trace import SpanContext, TraceFlags, format_span_id, format_trace_id

# Version ff is forbidden, a version after 00 may have more at its end, and an id of zeros is invalid.
TRACEPARENT = re.compile(
    rb"(?!ff|00.{53}.)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)


def parse_traceparent(traceparent: str) -> SpanContext | None:
    """Return the remote span that the text names, or None if it names none."""
    match = TRACEPARENT.fullmatch(traceparent.encode("latin-1", "replace"))
    if match is None:
        return None
    return SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16)))


def traceparent_of(span: SpanContext) -> str:
    """Return the traceparent of the span, or '' if it is not sampled, because it could not be found then."""
    if not (span.is_valid and span.trace_flags.sampled):
        return ""
    return f"00-{format_trace_id(span.trace_id)}-{format_span_id(span.span_id)}-{span.trace_flags:02x}"


def sampled_span(trace_id: str, span_id: str) -> SpanContext:
    """Return the remote, recorded span with these two ids, given in hexadecimal digits."""
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
