"""Tracing of one process, configured by the standard OTEL_* variables alone.

Traces are exported if OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT) is set or OTEL_TRACES_EXPORTER is `otlp`.
Otherwise the exporter is not even imported, no thread is started and nothing is kept.
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

EXIT_SECONDS = 2.0  # for spans that still wait; a collector that is away or silent delays no exit for longer
PROTOCOL = "http/protobuf"

log = structlog.get_logger()


def start_tracing(service: str, *, changes_only: bool = False) -> Callable[[], None]:
    """Set up tracing in this process: once, and after any fork. Return the function to call at the end of the process.

    `service`: the service name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES set another one.
    `changes_only`: whether only traces in which something changed are exported. Their spans have ids even if nothing is
    exported.
    """
    requested = is_requested()
    if not (requested or changes_only):
        return _no_op
    # PLC0415: these import an HTTP client and protobuf, which a process without exports does not need.
    from app.telemetry.exporting import exporter_from_environment  # noqa: PLC0415
    from app.telemetry.provider import provider_of  # noqa: PLC0415
    from app.telemetry.recorded import Recorder  # noqa: PLC0415

    provider = provider_of(service, exporter_from_environment() if requested else None, changes_only=changes_only)
    trace.set_tracer_provider(provider)
    record_with(Recorder(provider))
    return lambda: _end(provider)


@contextmanager
def tracing(service: str, *, changes_only: bool = False) -> Iterator[None]:
    """Run `start_tracing`, and end tracing when the block is left."""
    end = start_tracing(service, changes_only=changes_only)
    try:
        yield
    finally:
        end()


def tracing_is_on() -> bool:
    """Return whether this process creates spans that may be exported."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def is_requested() -> bool:
    """Return whether the environment asks for traces.

    If it asks for an exporter or a protocol that is not supported, log a warning and return False: nothing else is
    affected.
    """
    otel = OtelSettings()
    exporter = otel.traces_exporter
    endpoint = otel.exporter_otlp_traces_endpoint or otel.exporter_otlp_endpoint
    if otel.sdk_disabled.lower() == "true" or exporter == "none" or not (exporter or endpoint):
        return False
    protocol = otel.exporter_otlp_traces_protocol or otel.exporter_otlp_protocol or PROTOCOL
    if exporter not in ("", "otlp") or protocol != PROTOCOL:
        log.warning(
            "traces are not exported: only otlp over http/protobuf is there", exporter=exporter, protocol=protocol
        )
        return False
    return True


def _no_op() -> None:
    """Do nothing, at the end of a process without tracing."""


def _end(provider: "TracerProvider") -> None:
    """Send the spans that still wait, for at most EXIT_SECONDS.

    The SDK's shutdown takes no time limit, so it runs in a thread. A thread that is left behind ends with the process.
    """
    sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    sending.start()
    sending.join(EXIT_SECONDS)
