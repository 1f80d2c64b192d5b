"""The life of a sale over HTTP, from its creation to its end."""

from dataclasses import replace
from typing import Any

import pytest
from httpx2 import AsyncClient

from app.main import Settings
from app.settings import SaleSettings
from tests.api.conftest import Api

Terms = dict[str, Any]


async def test_a_sale_is_created_once(client: AsyncClient, sale_terms: Terms) -> None:
    created = await client.post("/sales", json=sale_terms)
    again = await client.post("/sales", json=sale_terms)
    assert (created.status_code, again.status_code) == (201, 200)
    assert created.headers["location"] == again.headers["location"] == "/sales/spring-tour"
    assert created.json() == again.json()
    assert (await client.get(created.headers["location"])).json()["stock"] == 10


@pytest.mark.parametrize("change", [{"stock": 11}, {"strategy": "naive"}, {"customer_limit": 1}])
async def test_other_terms_are_another_sale(client: AsyncClient, sale: str, sale_terms: Terms, change: Terms) -> None:
    refused = await client.post("/sales", json=sale_terms | change)
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/sale-exists"
    assert (await client.get(f"/sales/{sale}")).json()["stock"] == 10


async def test_a_pause_that_nobody_asked_for_is_the_platforms_as_the_round_starts(
    api: Api, settings: Settings, sale_terms: Terms
) -> None:
    unstated = {name: value for name, value in sale_terms.items() if name != "think_ms"}
    async with api(replace(settings, sales=SaleSettings(think_ms=70))) as before:
        assert (await before.post("/sales", json=unstated)).json()["think_ms"] == 70
    async with api(replace(settings, sales=SaleSettings(think_ms=900))) as after:
        again = await after.post("/sales", json=unstated)
        assert (again.status_code, again.json()["think_ms"]) == (200, 70)
        assert (await after.post("/sales", json=unstated | {"think_ms": 70})).status_code == 200
        assert (await after.post("/sales", json=unstated | {"think_ms": 900})).status_code == 409
        assert (await after.post("/sales/spring-tour/reset")).json()["think_ms"] == 70
        await after.delete("/sales/spring-tour")
        next_round = await after.post("/sales", json=unstated)
        assert (next_round.status_code, next_round.json()["think_ms"]) == (201, 900)


async def test_the_figures_of_a_sale(client: AsyncClient, sale: str) -> None:
    await client.post("/buy-ticket", json={"sale": sale, "customer": "ada"}, headers={"X-Idempotency-Key": "k"})
    view = (await client.get(f"/sales/{sale}")).json()
    assert view["identity"] == {
        "stock": 10,
        "remaining": 9,
        "backlog": 1,
        "set_aside": 0,
        "booked": 0,
        "holds": True,
    }
    assert (view["phase"], view["counter_says"], view["oversold"], view["undersold"]) == ("Open", 1, 0, 0)
    assert (view["lost"], view["rebooked"]) == (None, 0)


async def test_the_next_round(client: AsyncClient, sale: str) -> None:
    order = {"sale": sale, "customer": "ada", "quantity": 10}
    first = await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"})
    reset = await client.post(f"/sales/{sale}/reset")
    assert reset.status_code == 200
    assert (reset.json()["round"], reset.json()["epoch"], reset.json()["stock"]) == (2, 2, 10)
    second = await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"})
    assert second.status_code == 200
    assert (second.json()["round"], second.json()["replayed"]) == (2, False)
    assert first.json()["reservation_id"] != second.json()["reservation_id"]


async def test_the_next_round_with_another_stock(client: AsyncClient, sale: str) -> None:
    assert (await client.post(f"/sales/{sale}/reset", json={"stock": 3})).json()["stock"] == 3
    assert (await client.get(f"/sales/{sale}")).json()["remaining"] == 3


@pytest.mark.parametrize("strategy", ["atomic", "function", "conditional-update", "redis-watch", "lua-fire-and-forget"])
async def test_a_paused_sale_sells_nothing_until_it_is_resumed(
    client: AsyncClient, sale_terms: Terms, strategy: str
) -> None:
    await client.post("/sales", json=sale_terms | {"strategy": strategy})
    order = {"sale": "spring-tour", "customer": "ada"}

    async def change(paused: bool) -> None:
        changed = await client.patch("/sales/spring-tour", json={"paused": paused})
        assert (changed.status_code, changed.json()["paused"]) == (200, paused)

    await change(True)
    await change(True)  # it may be repeated
    assert (await client.get("/sales/spring-tour")).json()["phase"] == "Paused"
    refused = await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"})
    assert (refused.status_code, refused.json()["reason"]) == (409, "paused")
    assert (await client.post("/sales/spring-tour/reset")).json()["paused"]
    await change(False)
    assert (await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"})).status_code == 200


async def test_what_cannot_be_paused(client: AsyncClient, sale: str) -> None:
    unknown = await client.patch("/sales/nothing", json={"paused": True})
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/unknown-sale")
    for body in ({}, {"paused": "yes"}, {"paused": True, "stock": 5}):
        assert (await client.patch(f"/sales/{sale}", json=body)).status_code == 422
    await client.delete(f"/sales/{sale}")
    ended = await client.patch(f"/sales/{sale}", json={"paused": True})
    assert (ended.status_code, ended.json()["type"]) == (409, "/problems/sale-ended")


async def test_an_ended_sale(client: AsyncClient, sale: str, sale_terms: Terms) -> None:
    ended, again = await client.delete(f"/sales/{sale}"), await client.delete(f"/sales/{sale}")
    assert (ended.status_code, again.status_code) == (200, 200)
    assert ended.json()["ended_at"] == again.json()["ended_at"] is not None
    reset = await client.post(f"/sales/{sale}/reset")
    assert (reset.status_code, reset.json()["type"]) == (409, "/problems/sale-ended")
    reopened = await client.post("/sales", json=sale_terms)
    assert (reopened.status_code, reopened.json()["round"]) == (201, 2)


async def test_pages_of_sales(client: AsyncClient, sale_terms: Terms) -> None:
    names = [f"tour-{number}" for number in range(5)]
    for name in names:
        await client.post("/sales", json=sale_terms | {"name": name, "strategy": "naive"})
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await client.get("/sales", params={"limit": 2} | ({"after": after} if after else {}))).json()
        seen += [each["name"] for each in page["sales"]]
        after = page["next"]
    assert seen == names


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "after=%00", "after=A"])
async def test_a_page_out_of_bounds(client: AsyncClient, query: str) -> None:
    refused = await client.get(f"/sales?{query}")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == query.partition("=")[0]


BAD_TERMS: list[tuple[Terms, str]] = [
    ({"name": "A"}, "name"),
    ({"stock": 0}, "stock"),
    ({"stock": 10**12}, "stock"),
    ({"stock": "10"}, "stock"),
    ({"stock": 10.0}, "stock"),
    ({"customer_limit": 0}, "customer_limit"),
    ({"think_ms": -1}, "think_ms"),
    ({"think_ms": 3_600_000}, "think_ms"),
    ({"opens_at": "2030-01-01T00:00:00"}, "opens_at"),
    ({"opens_at": "9999-12-31T23:59:59-12:00"}, "opens_at"),
    ({"opens_at": "0001-01-01T00:00:00+12:00"}, "opens_at"),
    ({"opens_at": "2030-01-02T00:00:00Z", "closes_at": "2030-01-01T00:00:00Z"}, "body"),
    ({"surprise": 1}, "surprise"),
]


async def test_bad_terms_are_named(client: AsyncClient, sale_terms: Terms, subtests: pytest.Subtests) -> None:
    for change, field in BAD_TERMS:
        with subtests.test(change=change):
            refused = await client.post("/sales", json=sale_terms | change)
            assert refused.status_code == 422
            assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert (await client.get("/sales")).json()["sales"] == []


async def test_an_unknown_strategy(client: AsyncClient, sale_terms: Terms) -> None:
    refused = await client.post("/sales", json=sale_terms | {"strategy": "hope"})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/unknown-strategy")


@pytest.mark.parametrize("ask", [("GET", ""), ("POST", "/reset"), ("DELETE", ""), ("POST", "/blasts")])
async def test_an_unknown_sale(client: AsyncClient, ask: tuple[str, str]) -> None:
    refused = await client.request(ask[0], f"/sales/no-such-sale{ask[1]}")
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/unknown-sale")


async def test_what_became_of_a_reservation(client: AsyncClient, sale: str) -> None:
    order = {"sale": sale, "customer": "ada"}
    won = await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"})
    reservation = won.json()["reservation_id"]
    assert (await client.get(f"/reservations/{reservation}")).json() == {
        "reservation_id": reservation,
        "sale": sale,
        "round": 1,
        "status": "pending",
    }


NO_RESERVATIONS = (
    "nonsense",
    "spring-tour.1.1-1.0123456789abcdef",
    "spring-tour.2.1-1.0123456789abcdef",
    "autumn-tour.1.1-1.0123456789abcdef",
    "spring-tour.1.99999999999999999999-1.0123456789abcdef",
    "spring-tour.1.1-1.0123456789abcdef%0A",
    "x" * 150,
    "a%00b",
)


@pytest.mark.usefixtures("sale")
async def test_an_unknown_reservation(client: AsyncClient, subtests: pytest.Subtests) -> None:
    for name in NO_RESERVATIONS:
        with subtests.test(name):
            refused = await client.get(f"/reservations/{name}")
            assert (refused.status_code, refused.json()["type"]) == (404, "/problems/unknown-reservation")


async def test_a_blast_is_queued_shown_and_cancelled(client: AsyncClient, sale: str) -> None:
    queued = await client.post(f"/sales/{sale}/blasts", json={"requests": 500, "concurrency": 50, "customers": 7})
    assert queued.status_code == 202
    blast = queued.json()
    assert queued.headers["location"] == f"/blasts/{blast['id']}"
    assert (blast["state"], blast["requests"], blast["customers"], blast["retries"]) == ("queued", 500, 7, 0)
    assert (await client.get(f"/blasts/{blast['id']}")).json() == blast
    assert (await client.delete(f"/blasts/{blast['id']}")).json()["state"] == "cancelled"


BAD_BLASTS = [
    ("requests", 100_001),
    ("requests", 0),
    ("concurrency", 1001),
    ("customers", 0),
    ("quantity", 101),
    ("retries", 11),
    ("url", "http://elsewhere"),
]


async def test_a_blast_out_of_bounds(client: AsyncClient, sale: str, subtests: pytest.Subtests) -> None:
    for field, value in BAD_BLASTS:
        with subtests.test(field, value=value):
            refused = await client.post(f"/sales/{sale}/blasts", json={field: value})
            assert refused.status_code == 422
            assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_an_unknown_blast(client: AsyncClient) -> None:
    for method in ("GET", "DELETE"):
        refused = await client.request(method, f"/blasts/{'0' * 32}")
        assert (refused.status_code, refused.json()["type"]) == (404, "/problems/unknown-blast")
