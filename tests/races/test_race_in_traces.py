"""A naive sale over two processes, as a person would look for the race in Jaeger: every witness is two spans."""

from typing import Any

import pytest

from tests.fixtures.collector import Collector
from tests.fixtures.platform import MakePlatform, Platform
from tests.races.collisions import LOST_UPDATE, POD, READ, WRITTEN, both_windows

STOCK, BUYERS = 10, 100


@pytest.fixture(autouse=True)
def generator_exports_too(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in collector.environment.items():
        monkeypatch.setenv(name, value)


async def told(platform: Platform, sale: str, what: str) -> dict[str, Any]:
    response = await platform.ask("GET", f"/sales/{sale}/{what}?limit=1000")
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def race(platform: Platform, **terms: Any) -> tuple[str, dict[str, Any]]:
    """Sells to a crowd; the sale and its witnesses, when the evidence is complete."""
    sale = await platform.create_sale(stock=STOCK, **{"strategy": "naive", "think_ms": 50} | terms)
    result = await platform.blast(sale, BUYERS, concurrency=BUYERS, trace_ratio=1.0)
    pages: list[dict[str, Any]] = []

    async def complete() -> bool:
        pages[:] = [await told(platform, sale, "witnesses")]
        return bool(pages[0]["written"] == result.accepted)

    await platform.wait_until(complete)
    return sale, pages[0]


def ids(attempt: dict[str, Any]) -> tuple[str, str]:
    return attempt["trace_id"], attempt["span_id"]


async def test_each_witness_is_found_among_the_spans_and_each_side_names_the_other(
    make_platform: MakePlatform, collector: Collector
) -> None:
    platform = await make_platform(
        api=2,
        workers=0,
        environment={**collector.environment, "LEDGER_POOL_SIZE": "20", "LEDGER_STATEMENT_TIMEOUT_SECONDS": "30"},
    )
    sale, page = await race(platform)
    view = await platform.view(sale)
    assert view["oversold"] > 0
    assert page["total"] == len(page["witnesses"]) > 0

    async def arrived() -> bool:
        pairs = len(collector.named(LOST_UPDATE))
        return pairs == 2 * page["total"] and len(collector.named("buy")) == BUYERS and not collector.orphans()

    await platform.wait_until(arrived)
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
    assert {span.service for span in collector.named("buy")} == {"atomictickets-blaster"}
    assert collector.errors() == []
