"""What is exported, under what name, and that nothing is set up where nothing is asked for."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer

from app.telemetry.changed_traces import ChangedTraces
from app.telemetry.spans import CHANGED
from app.telemetry.traces import exporter_of_environment, provider_of

NEVER = 2**200  # no id is a multiple of it


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_SDK_DISABLED",
        "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "exported"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_the_environment_alone_says_whether_traces_are_exported(
    environment: dict[str, str], exported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    exporter = exporter_of_environment()
    assert isinstance(exporter, OTLPSpanExporter) is exported
    if exporter is not None:
        exporter.shutdown()


def test_off_costs_no_thread_and_spans_have_ids_all_the_same() -> None:
    before = set(threading.enumerate())
    off = provider_of("shop", None)
    with off.get_tracer("test").start_as_current_span("one") as one:
        assert one.get_span_context().is_valid
    assert set(threading.enumerate()) == before
    on = provider_of("shop", InMemorySpanExporter())
    assert len(set(threading.enumerate()) - before) == 1
    on.shutdown()
    assert set(threading.enumerate()) == before


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    assert provider_of("shop", None).resource.attributes["service.name"] == "shop"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=drops,k8s.pod.name=drops-0")
    attributes = provider_of("shop", None).resource.attributes
    assert (attributes["service.name"], attributes["k8s.pod.name"]) == ("drops", "drops-0")
    assert attributes["service.version"]
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    assert provider_of("shop", None).resource.attributes["service.name"] == "mine"


def test_what_waits_is_sent_at_the_end() -> None:
    exporter = InMemorySpanExporter()
    provider = provider_of("shop", exporter)
    with provider.get_tracer("test").start_as_current_span("one", attributes={CHANGED: True}):
        pass
    provider.shutdown()
    assert [span.name for span in exporter.get_finished_spans()] == ["one"]


@pytest.fixture
def collector() -> Iterator[tuple[str, Queue[tuple[str, bytes]]]]:
    """An address, and what was posted there: (path, body)."""
    posted: Queue[tuple[str, bytes]] = Queue()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.put((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()
        serving.join()


def test_a_collector_gets_them_over_http(
    collector: tuple[str, Queue[tuple[str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, posted = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    provider = provider_of("shop", exporter_of_environment())
    with provider.get_tracer("test").start_as_current_span("one", attributes={CHANGED: True}) as one:
        trace_id = one.get_span_context().trace_id
    provider.shutdown()
    path, body = posted.get_nowait()
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    assert path == "/v1/traces"
    assert "shop" in {attribute.value.string_value for attribute in resource.resource.attributes}
    assert [span.trace_id for span in resource.scope_spans[0].spans] == [trace_id.to_bytes(16)]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def tracer_keeping(one_in: int, exporter: InMemorySpanExporter) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ChangedTraces(SimpleSpanProcessor(exporter), one_in))
    return provider.get_tracer("test")


def names(exporter: InMemorySpanExporter) -> Iterator[str]:
    return (span.name for span in exporter.get_finished_spans())


def test_a_trace_in_which_nothing_changed_is_dropped_as_a_whole(exporter: InMemorySpanExporter) -> None:
    tracer = tracer_keeping(NEVER, exporter)
    with tracer.start_as_current_span("turn"), tracer.start_as_current_span("check", attributes={CHANGED: False}):
        pass
    assert list(names(exporter)) == []


def test_a_trace_in_which_one_span_changed_something_is_kept_as_a_whole(exporter: InMemorySpanExporter) -> None:
    tracer = tracer_keeping(NEVER, exporter)
    with tracer.start_as_current_span("turn"):
        with tracer.start_as_current_span("check"):
            pass
        with tracer.start_as_current_span("recount", attributes={CHANGED: True}):
            pass
        assert list(names(exporter)) == []
    assert list(names(exporter)) == ["check", "recount", "turn"]


def test_a_trace_that_failed_is_kept(exporter: InMemorySpanExporter) -> None:
    tracer = tracer_keeping(NEVER, exporter)
    with tracer.start_as_current_span("turn"), tracer.start_as_current_span("check") as check:
        check.set_status(StatusCode.ERROR)
    assert list(names(exporter)) == ["check", "turn"]


def test_of_the_others_a_few_are_kept(exporter: InMemorySpanExporter) -> None:
    tracer = tracer_keeping(2, exporter)
    for _ in range(200):
        with tracer.start_as_current_span("turn"):
            pass
    kept = exporter.get_finished_spans()
    assert 0 < len(kept) < 200
    assert all(span.context is not None and span.context.trace_id % 2 == 0 for span in kept)
