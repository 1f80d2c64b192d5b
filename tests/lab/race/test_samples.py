"""The retries that a race reads from /metrics."""

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from app.lab.race.samples import retries_at
from tests.support.http_service import Answer, HttpService


def test_the_retries_of_a_strategy_are_read_by_reason(http_service: HttpService) -> None:
    registry = CollectorRegistry()
    retries = Counter("atomictickets_purchase_retries", "Retries", ["strategy", "pod", "reason"], registry=registry)
    retries.labels("optimistic", "api-1", "version").inc(1_234_567)
    retries.labels("optimistic", "api-2", "version").inc(3)
    retries.labels("optimistic", "api-1", 'said "no", {twice}').inc()
    retries.labels("serializable", "api-1", "40001").inc()
    http_service.answer = lambda _method, _path: (200, generate_latest(registry).decode())
    assert retries_at(http_service.url, "optimistic") == {"version": 1_234_570, 'said "no", {twice}': 1}
    assert http_service.requests == [("GET", "/metrics")]


@pytest.mark.parametrize("answer", [(200, "<html>"), (503, {"title": "Not Ready"}), (200, "")])
def test_a_service_without_metrics_has_no_retries(http_service: HttpService, answer: Answer) -> None:
    http_service.answer = lambda _method, _path: answer
    assert retries_at(http_service.url, "optimistic") == {}
    assert retries_at("http://127.0.0.1:1", "optimistic") == {}
