"""The traces of requests: a sampled request has a span, and every answer names its trace."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx2 import AsyncClient, Response
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_span_id
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from app.main import Settings
from app.services.purchases import PurchaseService
from app.telemetry.logs import add_span_ids
from app.telemetry.names import OUTCOME
from tests.api.conftest import Api
from tests.support.spans import trace_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
async def traced(
    api: Api,
    settings: Settings,
    exported: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    sale_terms: dict[str, Any],
) -> AsyncIterator[AsyncClient]:
    """Yield a client of an application that samples every purchase. The sale is already open."""
    del exported
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    monkeypatch.setattr("app.api.application.tracing_is_on", lambda: True)
    async with api(settings) as client:
        await client.post("/sales", json=sale_terms)
        yield client


async def buy(client: AsyncClient, key: str = "k-1", headers: dict[str, str] | None = None, **order: Any) -> Response:
    body = {"sale": "spring-tour", "customer": "ada"} | order
    return await client.post("/buy-ticket", json=body, headers={"X-Idempotency-Key": key} | (headers or {}))


def served(exported: InMemorySpanExporter) -> ReadableSpan:
    [span] = [span for span in exported.get_finished_spans() if span.name == "POST /buy-ticket"]
    exported.clear()
    return span


async def test_an_outcome_is_no_error_and_its_answer_names_the_trace(
    traced: AsyncClient, exported: InMemorySpanExporter
) -> None:
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"quantity": 8}, 200, "reserved"),
        ({"quantity": 8}, 200, "replayed"),
        ({"quantity": 7}, 422, "idempotency-key-reused"),
        ({"quantity": 3, "key": "k-2"}, 400, "sold-out"),
        ({"quantity": 0}, 422, "invalid-request"),
        ({"sale": "nowhere"}, 404, "unknown-sale"),
    ]
    for order, status, outcome in cases:
        answer = await buy(traced, **order)
        span = served(exported)
        attributes = span.attributes or {}
        assert (answer.status_code, attributes["http.response.status_code"], attributes[OUTCOME]) == (
            status,
            status,
            outcome,
        )
        assert span.status.status_code is StatusCode.UNSET
        assert answer.headers["x-trace-id"] == trace_of(span)
        assert status == 200 or answer.json()["trace_id"] == trace_of(span)


async def test_a_count_names_a_trace_that_can_be_found(traced: AsyncClient, exported: InMemorySpanExporter) -> None:
    await buy(traced)
    found = trace_of(served(exported))
    await buy(traced, key="k-2", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"}, quantity=9)
    scraped = await traced.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert scraped.headers["content-type"].startswith("application/openmetrics-text")
    samples = [sample for family in text_string_to_metric_families(scraped.text) for sample in family.samples]
    named = {(sample.name, sample.exemplar.labels["trace_id"]) for sample in samples if sample.exemplar}
    assert named == {("atomictickets_purchases_total", found), ("atomictickets_purchase_seconds_bucket", found)}
    assert sum(sample.value for sample in samples if sample.name == "atomictickets_purchases_total") == 2


async def test_what_was_decided_elsewhere_is_followed(traced: AsyncClient, exported: InMemorySpanExporter) -> None:
    sampled = await buy(traced, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    span = served(exported)
    assert span.parent is not None
    assert (trace_of(span), format_span_id(span.parent.span_id)) == (TRACE, PARENT)
    unsampled = await buy(traced, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert exported.get_finished_spans() == ()
    assert sampled.headers["x-trace-id"] == unsampled.headers["x-trace-id"] == TRACE


async def test_a_defect_is_an_error_whose_line_and_answer_name_the_trace(
    traced: AsyncClient, exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(PurchaseService, "buy", breaks)
    monkeypatch.setattr("app.services.sales.SalesService.page", breaks)
    with capture_logs(processors=[merge_contextvars, add_span_ids]) as lines:
        bought, listed = await buy(traced), await traced.get("/sales")
    span = served(exported)
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]
    named = {line["event"]: line["trace_id"] for line in lines if line["log_level"] == "error"}
    assert named == {
        "a purchase failed unexpectedly": bought.json()["trace_id"],
        "a request failed unexpectedly": listed.json()["trace_id"],
    }
    assert bought.headers["x-trace-id"] == trace_of(span)
    assert listed.headers["x-trace-id"] == listed.json()["trace_id"]


@pytest.mark.parametrize("path", ["/sales", "/sales/nowhere", "/nothing", "/readyz"])
async def test_every_answer_names_its_trace_where_none_is_exported(client: AsyncClient, path: str) -> None:
    answer = await client.get(path)
    problem = answer.status_code >= 400
    assert len(answer.headers["x-trace-id"]) == 32
    assert not problem or answer.json()["trace_id"] == answer.headers["x-trace-id"]
    again = await client.get(path, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert again.headers["x-trace-id"] == TRACE
