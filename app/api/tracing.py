"""The trace of a request: the server's span of a purchase, and the id of the trace on every answer.

The framework makes the spans of its own routes. The purchase has one of ours, which is not even begun for what isn't
sampled: the stock instrumentation costs 72 us for such a request (measured), and the purchase itself less than that.
"""

import asyncio
import os
from contextlib import AbstractContextManager, nullcontext
from random import getrandbits
from time import perf_counter, time_ns

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, format_trace_id, use_span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import Ended
from app.api.problems import problem_response
from app.telemetry.context import parse
from app.telemetry.names import OUTCOME
from app.telemetry.sampling import NOTHING
from app.telemetry.spans import decided, trace_id
from app.telemetry.tracing import tracing_is_on

HEADER = b"x-trace-id"
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
FRAMEWORK = TelemetryConfig(
    tracing=True,
    metrics=False,
    logs=False,
    operation_spans=False,
    auto_configure=False,
    exclude=lambda scope: scope["path"] in UNTRACED,
)


async def named(application: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serves a request of the framework's. Its answer, log lines and problems name its trace, recorded or not."""
    last: Message = {"type": "nothing"}

    async def send_named(message: Message) -> None:
        nonlocal last
        last = message
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (HEADER, trace_id().encode())]
        await send(message)

    recorded = tracing_is_on() and scope["path"] not in UNTRACED
    with nullcontext() if recorded else in_name_only(scope):
        try:
            await application(scope, receive, send_named)
        except Exception:
            # The framework raises what app.api.exception_handlers have answered. The server knows neither the trace nor
            # that it is logged, and would log the same traceback again. An answer cut short it has to break off.
            if last["type"] != "http.response.body" or last.get("more_body"):
                raise
        except asyncio.CancelledError:  # the server's grace is over
            if last["type"] == "nothing":
                await problem_response(Ended(), scope["path"])(scope, receive, send_named)
            raise


def in_name_only(scope: Scope) -> AbstractContextManager[Span]:
    """A span that nobody keeps, of the caller's trace or of a new one."""
    traceparent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
    trace, _ = NOTHING.decide(traceparent, os.urandom(8).hex())
    return use_span(NonRecordingSpan(SpanContext(int(trace, 16), getrandbits(64) or 1, is_remote=False)))


def server_span(name: str, scope: Scope, traceparent: bytes, started: float) -> AbstractContextManager[Span]:
    """The span of a request that is to be sampled. `started`: when its head was read, of `perf_counter`."""
    attributes = {
        "http.request.method": scope["method"],
        "http.route": scope["path"],
        "url.path": scope["path"],
        "url.scheme": scope["scheme"],
    }
    began = time_ns() - int((perf_counter() - started) * 1e9)
    parent = parse(traceparent.decode("latin-1"))
    return decided(name, parent, attributes, kind=SpanKind.SERVER, start_time=began)


def trace_id_of(serving: Span) -> str:
    """In 32 hexadecimal digits."""
    return format_trace_id(serving.get_span_context().trace_id)


def answered(serving: Span, outcome: str, status: int) -> None:
    """A refusal is an outcome; only what the server owes is an error."""
    serving.set_attributes({OUTCOME: outcome, "http.response.status_code": status})
    if status >= 500:
        serving.set_status(StatusCode.ERROR)
