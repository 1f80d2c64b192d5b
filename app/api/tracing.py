"""The server span of a purchase, and the header with the trace id on every response.

FastAPI makes the spans of its own routes. The purchase route has a span made here, which is not even started for a
request that is not sampled: the standard instrumentation costs 72 us for such a request (measured), more than the
purchase itself.
"""

import asyncio
import os
from contextlib import AbstractContextManager, nullcontext
from random import getrandbits
from time import perf_counter, time_ns

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, format_trace_id, use_span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import RequestAborted
from app.api.problems import problem_response
from app.telemetry.context import parse_traceparent
from app.telemetry.names import OUTCOME
from app.telemetry.sampling import NEVER
from app.telemetry.spans import recorded_span, trace_id
from app.telemetry.tracing import tracing_is_on

HEADER = b"x-trace-id"
UNTRACED_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
FRAMEWORK = TelemetryConfig(
    tracing=True,
    metrics=False,
    logs=False,
    operation_spans=False,
    auto_configure=False,
    exclude=lambda scope: scope["path"] in UNTRACED_PATHS,
)


async def with_trace_id(application: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request with the framework. Its response, log lines and problems carry the trace id, recorded or not."""
    last: Message = {"type": "nothing"}

    async def send_with_trace_id(message: Message) -> None:
        nonlocal last
        last = message
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (HEADER, trace_id().encode())]
        await send(message)

    recorded = tracing_is_on() and scope["path"] not in UNTRACED_PATHS
    with nullcontext() if recorded else unrecorded_span(scope):
        try:
            await application(scope, receive, send_with_trace_id)
        except Exception:
            # Starlette raises an error again after app.api.exception_handlers have answered and logged it. If it
            # reached the server, the server would log the same traceback again, without the trace id. If the response
            # is incomplete, the server must see the error, so that it closes the connection.
            if last["type"] != "http.response.body" or last.get("more_body"):
                raise
        except asyncio.CancelledError:  # the shutdown grace period of the server is over
            if last["type"] == "nothing":
                await problem_response(RequestAborted(), scope["path"])(scope, receive, send_with_trace_id)
            raise


def unrecorded_span(scope: Scope) -> AbstractContextManager[Span]:
    """Return a context with a span that is not recorded. It belongs to the caller's trace, or else to a new one."""
    traceparent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
    trace, _ = NEVER.decide(traceparent, os.urandom(8).hex())
    return use_span(NonRecordingSpan(SpanContext(int(trace, 16), getrandbits(64) or 1, is_remote=False)))


def server_span(name: str, scope: Scope, traceparent: bytes, started: float) -> AbstractContextManager[Span]:
    """Return the server span of a sampled request. `started` is the `perf_counter` value when its head was read."""
    attributes = {
        "http.request.method": scope["method"],
        "http.route": scope["path"],
        "url.path": scope["path"],
        "url.scheme": scope["scheme"],
    }
    start_time = time_ns() - int((perf_counter() - started) * 1e9)
    parent = parse_traceparent(traceparent.decode("latin-1"))
    return recorded_span(name, parent, attributes, kind=SpanKind.SERVER, start_time=start_time)


def trace_id_of(span: Span) -> str:
    """Return the trace id of the span, in 32 hexadecimal digits."""
    return format_trace_id(span.get_span_context().trace_id)


def record_outcome(span: Span, outcome: str, status: int) -> None:
    """Record the outcome on the span. Only a status of 500 or above marks it as an error: a refusal is an outcome."""
    span.set_attributes({OUTCOME: outcome, "http.response.status_code": status})
    if status >= 500:
        span.set_status(StatusCode.ERROR)
