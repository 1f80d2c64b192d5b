"""The load generator makes the root span of each purchase's trace."""

import re
from collections import Counter

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from app.blasts.load import runner
from app.blasts.load.runner import run_load
from app.telemetry.names import OUTCOME
from tests.blasts.plans import losing_the_first_attempt, plan
from tests.support.stand_in_service import (
    Answer,
    Request,
    StandInService,
    problem,
    reserved,
    stand_in_service,
    stock_of,
)

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0([0-3])")  # 1: sampled; 2: the id is random


@pytest.fixture
def tracing_on(monkeypatch: pytest.MonkeyPatch, exported: InMemorySpanExporter) -> InMemorySpanExporter:
    monkeypatch.setattr(runner, "tracing_is_on", lambda: True)
    return exported


def traceparents(service: StandInService) -> list[re.Match[str]]:
    """Return the parsed traceparent of every request. Assert that each request has a valid one."""
    found = [TRACEPARENT.fullmatch(request.traceparent or "") for request in service.requests]
    assert all(found)
    return [match for match in found if match]


def is_sampled(traceparent: re.Match[str]) -> bool:
    return int(traceparent[3]) % 2 == 1


async def test_each_purchase_is_the_root_of_a_trace(tracing_on: InMemorySpanExporter) -> None:
    async with stand_in_service(stock_of(10)) as service:
        result = await run_load(plan(service, requests=20, concurrency=5, trace_ratio=1.0))
    assert result.outcomes == {"accepted": 10, "sold-out": 10}
    roots = tracing_on.get_finished_spans()
    assert {(root.name, root.kind, root.parent) for root in roots} == {("buy", SpanKind.CLIENT, None)}
    made = {
        (format_trace_id(root.context.trace_id), format_span_id(root.context.span_id))
        for root in roots
        if root.context is not None
    }
    sent = {match.groups()[:2] for match in traceparents(service) if is_sampled(match)}
    assert sent == made
    assert len(sent) == 20
    assert Counter((root.attributes or {})[OUTCOME] for root in roots) == {"accepted": 10, "sold-out": 10}
    assert {root.status.status_code for root in roots} == {StatusCode.UNSET}


async def test_an_unsampled_purchase_has_an_unsampled_traceparent(tracing_on: InMemorySpanExporter) -> None:
    async with stand_in_service(stock_of(10)) as service:
        await run_load(plan(service, requests=200, concurrency=5, trace_ratio=0.5))
    sampled = sum(map(is_sampled, traceparents(service)))
    assert 0 < sampled == len(tracing_on.get_finished_spans()) < 200


async def test_all_tries_of_a_purchase_are_one_trace(tracing_on: InMemorySpanExporter) -> None:
    async with stand_in_service(losing_the_first_attempt()) as service:
        await run_load(plan(service, requests=3, retries=2, trace_ratio=1.0))
    assert set(Counter(request.traceparent for request in service.requests).values()) == {2}
    assert [(root.attributes or {})["http.request.resend_count"] for root in tracing_on.get_finished_spans()] == [1] * 3


async def test_only_what_was_not_answered_is_an_error(tracing_on: InMemorySpanExporter) -> None:
    async def away(_: Request) -> Answer:
        return problem(503, "temporarily-unavailable")

    async with stand_in_service(away) as service:
        await run_load(plan(service, requests=2, trace_ratio=1.0))
    assert {root.status.status_code for root in tracing_on.get_finished_spans()} == {StatusCode.ERROR}


@pytest.mark.parametrize("ratio", [None, 1.0])
async def test_where_no_spans_are_collected_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, exported: InMemorySpanExporter, ratio: float | None
) -> None:
    """With a traceparent, the service's own traces would have a root that is never exported."""
    monkeypatch.setattr(runner, "tracing_is_on", lambda: False)  # another test may have left its provider installed
    async with stand_in_service(stock_of(10)) as service:
        await run_load(plan(service, requests=5, trace_ratio=ratio))
    assert {request.traceparent for request in service.requests} == {None}
    assert exported.get_finished_spans() == ()


async def test_a_record_keeps_the_trace_that_the_service_names() -> None:
    async def traced(request: Request) -> Answer:
        return reserved(request, X_Trace_Id="ab" * 16)

    async with stand_in_service(traced) as service:
        with_trace = await run_load(plan(service, requests=2))
    async with stand_in_service(stock_of(2)) as service:
        without_trace = await run_load(plan(service, requests=2))
    assert [record.trace_id for record in with_trace.records] == ["ab" * 16] * 2
    assert [record.trace_id for record in without_trace.records] == [None] * 2
