"""An OpenTelemetry collector in the test's own process. It reads OTLP over HTTP, as every process exports it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.received import ReceivedSpan, Spans


@dataclass
class Collector(Spans):
    """The spans that a collector has received. `url` is its address, for OTEL_EXPORTER_OTLP_ENDPOINT."""

    url: str = ""
    taken: set[bytes] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a process that soon sends every span here."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_BSP_MAX_QUEUE_SIZE": "20000",
        }

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Read the spans of the request, unless it came before: an exporter repeats a request whose answer is late."""
        if (serialized := request.SerializeToString()) in self.taken:
            return
        self.taken.add(serialized)
        for sent in request.resource_spans:
            resource = plain(sent.resource.attributes)
            self.spans += [received(span, resource) for scope in sent.scope_spans for span in scope.spans]


def received(span: Span, resource: Mapping[str, Any]) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        service=str(resource["service.name"]),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        attributes=plain(span.attributes),
        links=frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        resource=resource,
    )


def plain(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
