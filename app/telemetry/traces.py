"""Traces of one process, set up by the standard OTEL_* variables alone.

They are exported where OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT) is set or OTEL_TRACES_EXPORTER is `otlp`.
Elsewhere no thread is started and nothing is kept, but spans have ids all the same, for logs and statuses.
"""

import os
from importlib.metadata import version

import structlog
from opentelemetry import trace
from opentelemetry.environment_variables import OTEL_TRACES_EXPORTER
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
    OTEL_SDK_DISABLED,
)
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from app.telemetry.changed_traces import ChangedTraces

PROTOCOL = "http/protobuf"

log = structlog.get_logger()


def start_tracing(service: str) -> TracerProvider:
    """Makes the provider of this process: once, after any fork. What waits is sent at exit, or by `shutdown`.

    `service`: what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES may say otherwise.
    """
    provider = provider_of(service, exporter_of_environment())
    trace.set_tracer_provider(provider)
    return provider


def provider_of(service: str, exporter: SpanExporter | None) -> TracerProvider:
    """At most OTEL_BSP_MAX_QUEUE_SIZE spans (2048) wait for the exporter; what is more is dropped."""
    ours = Resource.create(
        {SERVICE_NAME: service, SERVICE_NAMESPACE: "atomictickets", SERVICE_VERSION: version("atomictickets")}
    )
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    if exporter is not None:
        provider.add_span_processor(ChangedTraces(BatchSpanProcessor(exporter)))
    return provider


def exporter_of_environment() -> SpanExporter | None:
    """None where nothing is to be exported, or can't be: that is logged, and stops nobody's work."""
    asked = os.environ.get(OTEL_TRACES_EXPORTER, "").strip()
    endpoint = os.environ.get(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) or os.environ.get(OTEL_EXPORTER_OTLP_ENDPOINT)
    disabled = os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"
    if disabled or asked == "none" or not (asked or endpoint):
        return None
    protocol = os.environ.get(OTEL_EXPORTER_OTLP_TRACES_PROTOCOL) or os.environ.get(OTEL_EXPORTER_OTLP_PROTOCOL)
    if asked not in ("", "otlp") or (protocol or PROTOCOL) != PROTOCOL:
        log.warning("traces are not exported: only otlp over http/protobuf is there", exporter=asked, protocol=protocol)
        return None
    return OTLPSpanExporter()
