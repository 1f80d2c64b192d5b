"""A span whose sampling was decided beforehand is exactly the span that the SDK would have made."""

from collections.abc import Callable, Mapping

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import AnyValue

from app.telemetry import spans
from app.telemetry.context import parse_traceparent, traceparent_of
from app.telemetry.names import SCOPE
from app.telemetry.recorded import Recorder
from app.telemetry.spans import current_traceparent, recorded_span, start_recorded_span

PARENT = SpanContext(0xA1, 0xB2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
ELSEWHERE = SpanContext(0xC3, 0xD4, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
BEGAN, ENDED = 1_795_000_000_000_000_000, 1_795_000_000_001_000_000
GIVEN: Mapping[str, AnyValue] = {
    "atomictickets.sale": "spring-tour",
    "http.response.status_code": 200,
    "half": 0.5,
    "yes": True,
}

Make = Callable[[TracerProvider, SpanContext | None], Span]


def by_the_sdk(provider: TracerProvider, parent: SpanContext | None) -> Span:
    context = None if parent is None else set_span_in_context(NonRecordingSpan(parent))
    return provider.get_tracer(SCOPE).start_span("buy", context, SpanKind.SERVER, GIVEN, [Link(ELSEWHERE)], BEGAN)


def by_the_recorder(provider: TracerProvider, parent: SpanContext | None) -> Span:
    links = [Link(ELSEWHERE)]
    return Recorder(provider).start("buy", parent, GIVEN, kind=SpanKind.SERVER, links=links, start_time=BEGAN)


def story(span: Span) -> None:
    """Do to a span everything that its API allows, and some of it again after its end, which must have no effect."""
    span.set_attribute("atomictickets.outcome", "reserved")
    span.set_attributes({"atomictickets.remaining": 7, "http.response.status_code": 503})
    span.add_link(ELSEWHERE, {"atomictickets.link": "seeded by"})
    span.add_event("noticed", {"what": "behind"}, BEGAN + 5)
    span.record_exception(ValueError("no such thing"), {"of": "ours"}, BEGAN + 7)
    span.record_exception(LookupErrorOfOurs("none"), timestamp=BEGAN + 8)
    span.update_name("POST /buy-ticket")
    span.set_status(StatusCode.ERROR, "owed")
    span.end(ENDED)


class LookupErrorOfOurs(LookupError):
    """An error outside builtins, whose name is recorded with its module."""


def sent(make: Make, parent: SpanContext | None) -> SentSpan:
    """Return what is sent to the collector, without the ids, which are always new, and the order of attributes."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = make(provider, parent)
    assert span.is_recording()
    story(span)
    assert not span.is_recording()
    [scope] = encode_spans(exporter.get_finished_spans()).resource_spans[0].scope_spans
    assert scope.scope.name == SCOPE
    sent: SentSpan
    [sent] = scope.spans
    assert (len(sent.trace_id), len(sent.span_id)) == (16, 8)
    sent.ClearField("span_id")
    if parent is None:
        sent.ClearField("trace_id")
    for attributes in (sent.attributes, *(event.attributes for event in sent.events)):
        attributes.sort(key=lambda pair: pair.key)
    return sent


@pytest.mark.parametrize("parent", [None, PARENT], ids=["root", "child"])
def test_a_collector_can_not_tell_it_from_the_sdk_s(parent: SpanContext | None) -> None:
    assert sent(by_the_recorder, parent) == sent(by_the_sdk, parent)


def test_what_travels_is_the_same(exported: InMemorySpanExporter) -> None:
    del exported
    provider = TracerProvider(shutdown_on_exit=False)
    for parent in (None, PARENT):
        names = [traceparent_of(make(provider, parent).get_span_context()) for make in (by_the_sdk, by_the_recorder)]
        assert {name[-2:] for name in names} == {"03" if parent is None else "01"}
        assert all(parse_traceparent(name) for name in names)


def test_what_is_decided_is_sampled_whatever_its_parent_is(exported: InMemorySpanExporter) -> None:
    unsampled = SpanContext(0xA1, 0xB2, is_remote=True, trace_flags=TraceFlags(TraceFlags.RANDOM_TRACE_ID))
    with recorded_span("buy", unsampled, {}, kind=SpanKind.SERVER):
        assert current_traceparent().endswith("-03")
    assert [span.name for span in exported.get_finished_spans()] == ["buy"]


def test_what_has_ended_is_changed_by_nothing(exported: InMemorySpanExporter) -> None:
    span = start_recorded_span("buy", None, GIVEN)
    span.end(ENDED)
    [before] = [ended.to_json() for ended in exported.get_finished_spans()]
    story(span)
    span.set_status(Status(StatusCode.OK))
    [after] = [ended.to_json() for ended in exported.get_finished_spans()]
    assert before == after
    assert GIVEN["http.response.status_code"] == 200  # the caller's own mapping is unchanged


def test_it_is_the_current_one_for_as_long_as_it_is_open(exported: InMemorySpanExporter) -> None:
    with recorded_span("buy", PARENT, GIVEN, kind=SpanKind.SERVER) as outer:
        assert current_traceparent() == traceparent_of(outer.get_span_context())
        with recorded_span("reserve", outer.get_span_context(), {}, kind=SpanKind.PRODUCER):
            pass
    assert get_current_span() is INVALID_SPAN
    reserve, buy = exported.get_finished_spans()
    assert (reserve.parent, buy.parent) == (buy.context, PARENT)


def test_an_error_passes_and_is_its_status(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="broken"), recorded_span("buy", None, {}, kind=SpanKind.SERVER):
        raise ValueError("broken")
    [span] = exported.get_finished_spans()
    assert (span.status.status_code, [event.name for event in span.events]) == (StatusCode.ERROR, ["exception"])


def test_where_nothing_is_exported_it_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "_RECORDER", None)
    with recorded_span("buy", PARENT, GIVEN, kind=SpanKind.SERVER) as span:
        assert not span.is_recording()
        assert current_traceparent() == ""
