"""The traces that the operator and the reconciler export: those with a change or a failure, and a few others."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer

from app.telemetry.changed_traces import ChangedTraces
from app.telemetry.names import CHANGED

NEVER = 2**200  # larger than any trace id, so that none is a multiple of it


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
