"""When traces are exported, and under which name. Nothing is set up unless the environment asks for it."""

import subprocess
import sys
import threading

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from app.telemetry.exporting import exporter_from_environment
from app.telemetry.names import CHANGED
from app.telemetry.provider import provider_of
from app.telemetry.tracing import is_requested
from tests.support.collector import Collector

VARIABLES = (
    "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
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
    assert is_requested() is exported


@pytest.mark.parametrize(("endpoint", "imported"), [("", "False"), ("http://127.0.0.1:1", "True")])
def test_the_exporter_is_imported_only_where_traces_are_exported(
    endpoint: str, imported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    program = (
        "import sys, app.main, worker.main; from app.telemetry.tracing import tracing\n"
        "with tracing('shop'): print('opentelemetry.exporter' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == imported


def test_off_costs_no_thread_and_spans_have_ids_all_the_same() -> None:
    before = set(threading.enumerate())
    off = provider_of("shop", None, changes_only=True)
    with off.get_tracer("test").start_as_current_span("one") as one:
        assert one.get_span_context().is_valid
        assert not one.get_span_context().trace_flags.sampled
    assert set(threading.enumerate()) == before
    on = provider_of("shop", InMemorySpanExporter())
    assert len(set(threading.enumerate()) - before) == 1
    on.shutdown()
    assert set(threading.enumerate()) == before


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = provider_of("shop", None).resource.attributes
    assert (ours["service.name"], ours["service.namespace"]) == ("shop", "atomictickets")
    assert ours["service.version"]
    assert ours["service.instance.id"]
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=drops,k8s.pod.name=drops-0,service.instance.id=7")
    attributes = provider_of("shop", None).resource.attributes
    named = [attributes[f"{name}"] for name in ("service.name", "k8s.pod.name", "service.instance.id")]
    assert named == ["drops", "drops-0", "7"]
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    assert provider_of("shop", None).resource.attributes["service.name"] == "mine"


def test_a_collector_gets_what_waits_at_the_end(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    provider = provider_of("shop", exporter_from_environment())
    with provider.get_tracer("test").start_as_current_span("one", attributes={CHANGED: True}) as one:
        trace_id = f"{one.get_span_context().trace_id:032x}"
    provider.shutdown()
    [span] = collector.spans
    assert (span.name, span.service, span.trace_id, span.attributes) == ("one", "shop", trace_id, {CHANGED: True})


def test_the_environment_says_what_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    for sampler, recording in (("parentbased_always_off", False), ("parentbased_always_on", True)):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
        provider = provider_of("shop", InMemorySpanExporter())
        assert provider.get_tracer("test").start_span("any").is_recording() is recording
        provider.shutdown()


def test_the_environment_is_read_in_one_way(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise the SDK would also read it, and log a second default."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "2")
    with capture_logs() as lines:
        provider = provider_of("shop", InMemorySpanExporter())
    assert provider.get_tracer("test").start_span("any").is_recording()
    assert [line["event"] for line in lines] == ["the sampler can't be read; every trace is taken"]
    assert caplog.records == []
    provider.shutdown()


def test_a_resource_is_what_it_was_but_for_the_work_of_its_hash() -> None:
    ours = provider_of("shop", None).resource
    same = Resource(ours.attributes, ours.schema_url)
    assert (hash(ours), ours) == (hash(same), same)
    assert ours != provider_of("another", None).resource
