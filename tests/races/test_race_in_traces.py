"""Races in traces, as an engineer would look for them in Jaeger: every witness is two spans, whatever the hazard."""

import asyncio
from typing import Any

import pytest

from app.failpoints import FailpointController
from app.races.spans import COLLISIONS, WINDOW
from app.sales.attempt import Hazard
from app.strategies.registry import STRATEGIES
from tests.fixtures.platform import MakePlatform
from tests.support.collector import Collector
from tests.support.collisions import LOST_UPDATE, POD, READ, WRITTEN, both_windows, other_of
from tests.support.patience import PATIENCE
from tests.support.platform import Platform
from tests.support.until import until

RACES: list[tuple[Hazard, dict[str, Any]]] = [
    (Hazard.LOST_UPDATE, {"strategy": "naive"}),
    (Hazard.STALE_GUARD, {"strategy": "naive-relative"}),
    (Hazard.WRITE_SKEW, {"strategy": "naive", "customer_limit": 1, "stock": 10}),
    (Hazard.EXPIRED_LOCK, {"strategy": "redis-lock"}),
]
"""A hazard, and the terms of a sale in which two purchases collide on the last ticket or on one customer's limit."""
STOCK, BUYERS = 10, 100


@pytest.fixture(autouse=True)
def generator_exports_too(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in collector.environment.items():
        monkeypatch.setenv(name, value)


async def page_of(platform: Platform, sale: str, what: str) -> dict[str, Any]:
    response = await platform.ask("GET", f"/sales/{sale}/{what}?limit=1000")
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def race(platform: Platform, **terms: Any) -> tuple[str, dict[str, Any]]:
    """Sell to a crowd. Return the sale and its witnesses when the evidence is complete."""
    asked: dict[str, Any] = {"strategy": "naive", "think_ms": 50} | terms
    sale = await platform.create_sale(stock=STOCK, **asked)
    result = await platform.blast(sale, BUYERS, concurrency=BUYERS, trace_ratio=1.0)
    pages: list[dict[str, Any]] = []

    async def complete() -> bool:
        pages[:] = [await page_of(platform, sale, "witnesses")]
        return bool(pages[0]["written"] == result.accepted)

    await until(complete)
    return sale, pages[0]


def ids(attempt: dict[str, Any]) -> tuple[str, str]:
    return attempt["trace_id"], attempt["span_id"]


async def test_each_witness_is_found_among_the_spans_and_each_side_names_the_other(
    make_platform: MakePlatform, collector: Collector
) -> None:
    platform = await make_platform(
        api=2,
        workers=0,
        environment={**collector.environment, **PATIENCE, "LEDGER_POOL_SIZE": "20"},
    )
    sale, page = await race(platform)
    view = await platform.view(sale)
    assert view["oversold"] > 0
    assert page["total"] == len(page["witnesses"]) > 0

    async def arrived() -> bool:
        pairs = len(collector.named(LOST_UPDATE))
        return pairs == 2 * page["total"] and len(collector.named("buy")) == BUYERS and not collector.orphans()

    await until(arrived)
    for witness in page["witnesses"]:
        attempts = witness["first"], witness["second"]
        windows = both_windows(collector, *map(ids, attempts))
        for attempt, window in zip(attempts, windows, strict=True):
            assert window.attributes[POD] == attempt["pod"]
            assert window.attributes[READ] == attempt["version_read"]
            assert window.attributes[WRITTEN] == attempt["version_written"]
            assert window.attributes["atomictickets.reservation_id"] == attempt["reservation_id"]
    pods = {(witness["first"]["pod"], witness["second"]["pod"]) for witness in page["witnesses"]}
    assert pods & {("api-1", "api-2"), ("api-2", "api-1")}
    assert {span.service for span in collector.named("buy")} == {"atomictickets-blast-runner"}
    assert collector.errors() == []


async def test_each_hazard_is_found_among_the_spans(
    make_platform: MakePlatform, collector: Collector, failpoints: FailpointController
) -> None:
    """The first purchase stops between its read and its write while another one buys."""
    platform = await make_platform(workers=0, environment=collector.environment)
    for hazard, terms in RACES:
        sale = await platform.create_sale(f"sale-{hazard}-{terms['strategy']}", **{"stock": 1, "think_ms": 0} | terms)
        failpoints.stop_at("after_stock_read")
        one: dict[str, Any] = {"concurrency": 1, "customers": 1, "trace_ratio": 1.0}
        first = asyncio.create_task(platform.blast(sale, 1, **one, reply_seconds=60.0))

        async def stands() -> bool:
            return failpoints.happened("after_stock_read", "stop")

        await until(stands)
        second = await platform.blast(sale, 1, **one)
        failpoints.release("after_stock_read")
        assert (second.accepted, (await first).accepted) == (1, 1)
        failpoints.clear()
        await found(platform, collector, sale, hazard)


def test_every_hazard_and_every_strategy_that_races_is_among_them() -> None:
    assert {hazard for hazard, _ in RACES} == set(Hazard)
    racing = {way.name for way in STRATEGIES.values() if not (way.promises_exactness and way.keeps_limit)}
    assert racing == {terms["strategy"] for _, terms in RACES}


async def found(platform: Platform, collector: Collector, sale: str, hazard: Hazard) -> None:
    """Wait for the sale's witness in the ledger, and find it in the traces of both purchases."""
    pairs: list[dict[str, Any]] = []

    async def arrived() -> bool:
        page = await page_of(platform, sale, "witnesses")
        pairs[:] = [pair for pair in page["witnesses"] if pair["hazard"] == hazard]
        windows = {span.ids for span in collector.named(WINDOW)}
        spans = [span for span in collector.named(COLLISIONS[hazard]) if (span.trace_id, span.parent_id) in windows]
        return len(pairs) == 1 and {(span.trace_id, span.parent_id) for span in spans} >= both(pairs[0])

    await until(arrived)
    one, other = ids(pairs[0]["first"]), ids(pairs[0]["second"])
    for own, its in ((one, other), (other, one)):
        [collision] = collector.children(own, COLLISIONS[hazard])
        assert other_of(collision) == its
        assert collision.links == {its}


def both(pair: dict[str, Any]) -> set[tuple[str, str]]:
    return {ids(pair["first"]), ids(pair["second"])}
