"""The evidence of a race over HTTP: pages of attempts and witnesses, without the names of customers."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.attempts import AttemptRepository
from app.main import Settings
from app.settings import InvalidSettings, TraceSettings
from tests.api.conftest import Api
from tests.support.attempts import recorded
from tests.support.until import until


@pytest.fixture
async def naive(client: AsyncClient) -> str:
    terms = {"name": "naive-drop", "strategy": "naive", "stock": 10, "think_ms": 1000, "customer_limit": 1}
    assert (await client.post("/sales", json=terms)).status_code == 201
    return "naive-drop"


async def page_of(client: AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_a_race_leaves_its_windows_and_its_pairs(client: AsyncClient, naive: str) -> None:
    async def buy(key: str) -> None:
        order = {"sale": naive, "customer": "ada@example.org"}
        assert (await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": key})).status_code == 200

    async def complete() -> bool:
        return bool((await page_of(client, f"/sales/{naive}/witnesses"))["written"] == 3)

    await asyncio.gather(*(client.get(f"/sales/{naive}") for _ in range(3)))  # a connection for each, before they buy
    await asyncio.gather(*(buy(f"k-{number}") for number in range(3)))
    await until(complete)
    witnesses = await page_of(client, f"/sales/{naive}/witnesses")
    attempts = await page_of(client, f"/sales/{naive}/attempts")
    assert (witnesses["round"], witnesses["total"], witnesses["next"], witnesses["trace_url"]) == (1, 4, None, None)
    assert [(each["number"], each["strategy"]) for each in attempts["attempts"]] == [
        (number, "naive") for number in range(1, 7)
    ]
    found = {(each["hazard"], each["second"]["guards"]) for each in witnesses["witnesses"]}
    assert found == {("lost-update", "stock"), ("write-skew", "customer")}
    for witness in witnesses["witnesses"]:
        first, second = witness["first"], witness["second"]
        assert first in attempts["attempts"]
        assert second in attempts["attempts"]
        assert first["version_read"] == second["version_read"]
        assert first["reservation_id"] != second["reservation_id"]
        assert first["read_at"] < first["wrote_at"]
    assert "@example" not in str(witnesses) + str(attempts)
    metrics = (await client.get("/metrics")).text
    assert 'atomictickets_race_attempts_total{fate="kept"}' in metrics
    assert 'atomictickets_race_witnesses_total{hazard="write-skew"}' in metrics


async def test_a_strategy_that_does_not_race_leaves_nothing(client: AsyncClient, sale: str) -> None:
    order = {"sale": sale, "customer": "ada"}
    assert (await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"})).status_code == 200
    attempts, witnesses = [await page_of(client, f"/sales/{sale}/{what}") for what in ("attempts", "witnesses")]
    assert attempts == {"sale": sale, "round": 1, "trace_url": None, "next": None, "attempts": []}
    assert (witnesses["total"], witnesses["written"], witnesses["witnesses"]) == (0, 0, [])


async def test_pages_and_rounds(client: AsyncClient, naive: str, engine: AsyncEngine) -> None:
    ledger = AttemptRepository(engine)
    await ledger.keep([recorded(sale=naive) for _ in range(5)] + [recorded(sale=naive, round=2)])
    first = await page_of(client, f"/sales/{naive}/attempts", limit=3)
    second = await page_of(client, f"/sales/{naive}/attempts", limit=3, after=first["next"])
    assert [each["number"] for page in (first, second) for each in page["attempts"]] == [1, 2, 3, 4, 5]
    assert second["next"] is None
    pairs = await page_of(client, f"/sales/{naive}/witnesses", limit=3, after=2)
    assert [each["second"]["number"] for each in pairs["witnesses"]] == [3, 4, 5]
    assert (pairs["latest"], pairs["total"], pairs["next"]) == (5, 3, 5)
    assert len((await page_of(client, f"/sales/{naive}/attempts", round=2))["attempts"]) == 1
    assert (await page_of(client, f"/sales/{naive}/attempts", round=3))["attempts"] == []
    await client.post(f"/sales/{naive}/reset")
    assert (await page_of(client, f"/sales/{naive}/attempts"))["round"] == 2


async def test_where_jaeger_is_known_each_page_says_where_a_trace_is(settings: Settings, api: Api) -> None:
    known = replace(settings, traces=TraceSettings(jaeger_url="http://jaeger.example:16686/"))
    async with api(known) as client:
        await client.post("/sales", json={"name": "drop", "strategy": "naive", "stock": 1})
        for what in ("attempts", "witnesses"):
            page = await page_of(client, f"/sales/drop/{what}")
            assert page["trace_url"] == "http://jaeger.example:16686/trace/{trace_id}"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "jaeger:16686", "", "http://jaeger/{x}"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidSettings, match="ATOMICTICKETS_JAEGER_URL: "):
        TraceSettings(jaeger_url=address)


@pytest.mark.parametrize("what", ["attempts", "witnesses"])
async def test_what_is_wrong_is_named(client: AsyncClient, naive: str, what: str) -> None:
    for query in ("", "?round=1"):
        assert (await client.get(f"/sales/nobody/{what}{query}")).json()["type"] == "/problems/unknown-sale"
    for query in ("limit=0", "limit=1001", "after=-1", "round=0"):
        refused = await client.get(f"/sales/{naive}/{what}?{query}")
        assert refused.status_code == 422
        assert query.partition("=")[0] in refused.json()["errors"][0]["field"]
