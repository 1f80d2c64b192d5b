"""The contract of POST /buy-ticket, line by line."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from app.main import Settings, create_app
from tests.api.conftest import until_ready

KEY = "X-Idempotency-Key"


async def buy(client: AsyncClient, sale: str, key: str = "k-1", **order: Any) -> Response:
    return await client.post("/buy-ticket", json={"sale": sale, "customer": "ada", **order}, headers={KEY: key})


async def remaining(client: AsyncClient, sale: str) -> int:
    return int((await client.get(f"/sales/{sale}")).json()["remaining"])


@pytest.mark.parametrize("strategy", ["atomic", "naive"])
async def test_a_ticket_is_reserved(client: AsyncClient, sale_terms: dict[str, Any], strategy: str) -> None:
    await client.post("/sales", json=sale_terms | {"strategy": strategy})
    won = await buy(client, "spring-tour")
    assert won.status_code == 200
    assert won.headers["content-type"] == "application/json"
    assert "idempotent-replayed" not in won.headers
    body = won.json()
    assert body.pop("reservation_id").startswith("spring-tour.1.")
    assert body == {"status": "Ticket Reserved", "sale": "spring-tour", "round": 1, "replayed": False}
    assert await remaining(client, "spring-tour") == 9


@pytest.mark.parametrize("strategy", ["atomic", "naive"])
async def test_a_replay_answers_as_the_first_time_did(
    client: AsyncClient, sale_terms: dict[str, Any], strategy: str
) -> None:
    await client.post("/sales", json=sale_terms | {"strategy": strategy})
    first = await buy(client, "spring-tour")
    again = await buy(client, "spring-tour")
    assert again.status_code == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json() | {"replayed": True}
    assert await remaining(client, "spring-tour") == 9


async def test_another_key_buys_another_ticket(client: AsyncClient, sale: str) -> None:
    """The control of the test above: with another key the second purchase does buy."""
    first, second = await buy(client, sale, "k-1"), await buy(client, sale, "k-2")
    assert first.json()["reservation_id"] != second.json()["reservation_id"]
    assert await remaining(client, sale) == 8


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Idempotency-Key", "k-1"),
        ("x-idempotency-key", "k-1"),
        ("X-IDEMPOTENCY-KEY", "k-1"),
        ("Idempotency-Key", "k-1"),
        ("idempotency-key", '"k-1"'),
        ("X-Idempotency-Key", '"k-1"'),
    ],
)
async def test_all_spellings_are_one_key(client: AsyncClient, sale: str, name: str, value: str) -> None:
    first = await buy(client, sale, "k-1")
    again = await client.post("/buy-ticket", json={"sale": sale, "customer": "ada"}, headers={name: value})
    assert again.json() == first.json() | {"replayed": True}


async def test_both_headers_with_one_key_are_fine(client: AsyncClient, sale: str) -> None:
    headers = {"X-Idempotency-Key": "k-1", "Idempotency-Key": '"k-1"'}
    won = await client.post("/buy-ticket", json={"sale": sale, "customer": "ada"}, headers=headers)
    assert won.status_code == 200


async def test_a_key_belongs_to_its_customer(client: AsyncClient, sale: str) -> None:
    ada, bob = await buy(client, sale, customer="ada"), await buy(client, sale, customer="bob")
    assert ada.json()["reservation_id"] != bob.json()["reservation_id"]
    assert bob.json()["replayed"] is False


async def test_a_key_with_another_payload_is_refused(client: AsyncClient, sale: str) -> None:
    await buy(client, sale, quantity=1)
    refused = await buy(client, sale, quantity=2)
    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/idempotency-key-reused"
    assert await remaining(client, sale) == 9


async def test_sold_out_says_how_many_are_left(client: AsyncClient, sale: str) -> None:
    await buy(client, sale, quantity=8)
    refused = await buy(client, sale, "k-2", quantity=3)
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json() == {
        "type": "/problems/sold-out",
        "title": "Sold Out",
        "status": 400,
        "detail": "Fewer tickets are left than were asked for.",
        "instance": "/buy-ticket",
        "trace_id": refused.headers["x-trace-id"],
        "remaining": 2,
    }


async def test_a_won_key_still_wins_after_the_sale_is_sold_out(client: AsyncClient, sale: str) -> None:
    won = await buy(client, sale, quantity=10)
    assert (await buy(client, sale, "k-2")).status_code == 400
    assert (await buy(client, sale, quantity=10)).json() == won.json() | {"replayed": True}


async def test_the_limit_of_a_customer(client: AsyncClient, sale_terms: dict[str, Any]) -> None:
    await client.post("/sales", json=sale_terms | {"customer_limit": 2})
    assert (await buy(client, "spring-tour", "k-1", quantity=2)).status_code == 200
    refused = await buy(client, "spring-tour", "k-2")
    assert refused.status_code == 409
    problem = refused.json()
    assert (problem["type"], problem["held"], problem["limit"]) == ("/problems/customer-limit", 2, 2)
    assert (await buy(client, "spring-tour", "k-2", customer="bob")).status_code == 200


async def test_a_sale_that_will_open_answers_when(client: AsyncClient, sale_terms: dict[str, Any]) -> None:
    opens_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await client.post("/sales", json=sale_terms | {"opens_at": opens_at})
    refused = await buy(client, "spring-tour")
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/sale-not-open"
    assert refused.json()["reason"] == "scheduled"
    assert 3000 < int(refused.headers["retry-after"]) <= 3600


async def test_an_ended_sale_sells_nothing(client: AsyncClient, sale: str) -> None:
    await client.delete(f"/sales/{sale}")
    refused = await buy(client, sale)
    assert refused.status_code == 409
    assert refused.json()["reason"] == "closed"
    assert "retry-after" not in refused.headers


async def test_an_unknown_sale(client: AsyncClient) -> None:
    refused = await buy(client, "no-such-sale")
    assert refused.status_code == 404
    assert refused.json()["type"] == "/problems/unknown-sale"


async def test_quantity_is_one_by_default_and_a_charset_does_no_harm(client: AsyncClient, sale: str) -> None:
    won = await client.post(
        "/buy-ticket",
        content=b'{"sale": "spring-tour", "customer": "ada"}',
        headers={KEY: "k", "Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert won.status_code == 200
    assert await remaining(client, sale) == 9


async def test_under_a_path_prefix_the_route_is_the_same(settings: Settings, sale_terms: dict[str, Any]) -> None:
    application = create_app(settings)
    async with application.router.lifespan_context(application) as state:
        mounted = Starlette(routes=[Mount("/tickets", application)])

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await mounted({**scope, "state": dict(state or {})}, receive, send)

        async with AsyncClient(transport=ASGITransport(with_state), base_url="http://api/tickets") as client:
            await until_ready(client)
            await client.post("/sales", json=sale_terms)
            won, again = await buy(client, "spring-tour"), await buy(client, "spring-tour")
            assert (won.status_code, again.json()) == (200, won.json() | {"replayed": True})
            assert (await client.post("/buy-ticket")).json()["instance"] == "/tickets/buy-ticket"
