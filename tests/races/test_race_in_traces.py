"""A naive sale over two processes, as a person would look for the race in Jaeger: every witness is two spans."""

from typing import Any

import pytest

from tests.fixtures.collector import Collector, Received
from tests.fixtures.platform import MakePlatform, Platform

STOCK, BUYERS = 10, 100
POD = "atomictickets.attempt.pod"
CONFLICT = ("atomictickets.conflict.trace_id", "atomictickets.conflict.span_id")


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


def collisions_of(collector: Collector, attempt: dict[str, Any]) -> list[Received]:
    """The spans that somebody added to this attempt's window."""
    return [span for span in collector.named("race.lost_update") if (span.trace_id, span.parent_id) == ids(attempt)]


async def test_each_witness_is_found_among_the_spans_and_each_side_names_the_other(
    make_platform: MakePlatform, collector: Collector
) -> None:
    platform = await make_platform(api=2, workers=0, environment={**collector.environment, "LEDGER_POOL_SIZE": "20"})
    sale, page = await race(platform)
    view = await platform.view(sale)
    assert view["oversold"] > 0
    assert page["total"] == len(page["witnesses"]) > 0

    async def arrived() -> bool:
        pairs = len(collector.named("race.lost_update"))
        return pairs == 2 * page["total"] and len(collector.named("buy")) == BUYERS and not collector.orphans()

    await platform.wait_until(arrived)
    windows = {span.ids: span for span in collector.named("race.window")}
    for witness in page["witnesses"]:
        for own, other in ((witness["first"], witness["second"]), (witness["second"], witness["first"])):
            window = windows[ids(own)]
            assert window.attributes[POD] == own["pod"]
            assert window.attributes["atomictickets.stock.version_read"] == own["version_read"]
            assert window.attributes["atomictickets.stock.version_written"] == own["version_written"]
            assert window.attributes["atomictickets.reservation_id"] == own["reservation_id"]
            collisions = collisions_of(collector, own)
            assert len(collisions) <= 2
            [naming] = [span for span in collisions if tuple(span.attributes[name] for name in CONFLICT) == ids(other)]
            assert naming.links == {ids(other)}
            assert (naming.attributes[POD], naming.attributes["atomictickets.conflict.pod"]) == (
                own["pod"],
                other["pod"],
            )
        assert witness["first"]["version_read"] == witness["second"]["version_read"]
        assert witness["first"]["version_written"] != witness["second"]["version_written"]
    pods = {(witness["first"]["pod"], witness["second"]["pod"]) for witness in page["witnesses"]}
    assert pods & {("api-1", "api-2"), ("api-2", "api-1")}
    assert {span.service for span in collector.named("buy")} == {"atomictickets-blaster"}
    assert collector.errors() == []
