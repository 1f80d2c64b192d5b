"""Traces of one process, set up by the standard OTEL_* variables alone.

They are exported where OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT) is set or OTEL_TRACES_EXPORTER is `otlp`.
Elsewhere the exporter isn't even imported, no thread is started and nothing is kept.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from opentelemetry import trace

from app.settings import OtelSettings
from app.telemetry.spans import record_with

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

EXIT_SECONDS = 2.0  # for what still waits; a collector that is away or silent holds up no end for longer
PROTOCOL = "http/protobuf"

log = structlog.get_logger()


def start_tracing(service: str, *, changes_only: bool = False) -> Callable[[], None]:
    """Sets up this process: once, and after any fork. Returns what to call at its end.

    `service`: what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES may say otherwise. `changes_only`: of what it does
    only the traces in which something changed are of interest; its spans have ids even where nothing is exported.
    """
    asked = is_asked_for()
    if not (asked or changes_only):
        return _nothing
    # With an HTTP client and protobuf, which a process that exports nothing can do without.
    from app.telemetry.exporting import exporter_of_environment  # noqa: PLC0415
    from app.telemetry.provider import provider_of  # noqa: PLC0415
    from app.telemetry.recorded import Recorder  # noqa: PLC0415

    provider = provider_of(service, exporter_of_environment() if asked else None, changes_only=changes_only)
    trace.set_tracer_provider(provider)
    record_with(Recorder(provider))
    return lambda: _end(provider)


@contextmanager
def tracing(service: str, *, changes_only: bool = False) -> Iterator[None]:
    """`start_tracing` for as long as the process does its work."""
    end = start_tracing(service, changes_only=changes_only)
    try:
        yield
    finally:
        end()


def tracing_is_on() -> bool:
    """Whether this process makes spans that somebody may see."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def is_asked_for() -> bool:
    """Whether the environment names a collector. One that can't be served is told of, and stops nobody's work."""
    otel = OtelSettings()
    asked = otel.traces_exporter
    endpoint = otel.exporter_otlp_traces_endpoint or otel.exporter_otlp_endpoint
    if otel.sdk_disabled.lower() == "true" or asked == "none" or not (asked or endpoint):
        return False
    protocol = otel.exporter_otlp_traces_protocol or otel.exporter_otlp_protocol or PROTOCOL
    if asked not in ("", "otlp") or protocol != PROTOCOL:
        log.warning("traces are not exported: only otlp over http/protobuf is there", exporter=asked, protocol=protocol)
        return False
    return True


def _nothing() -> None:
    """Where nothing was begun, nothing has to be ended."""


def _end(provider: "TracerProvider") -> None:
    """In a thread, since the SDK's own way takes no time limit. One that is left behind ends with the process."""
    sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    sending.start()
    sending.join(EXIT_SECONDS)
