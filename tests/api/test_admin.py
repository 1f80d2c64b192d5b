"""If an admin token is set, every request that changes a sale must carry it."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from app.main import Settings
from tests.api.conftest import Api

CHANGES = [
    ("POST", "/sales", {"name": "autumn-tour", "strategy": "naive", "stock": 1}),
    ("POST", "/sales/spring-tour/reset", None),
    ("POST", "/sales/spring-tour/blasts", None),
    ("DELETE", "/blasts/" + "0" * 32, None),
    ("PATCH", "/sales/spring-tour", {"paused": True}),
    ("DELETE", "/sales/spring-tour", None),
]
SESAME = {"Authorization": "Bearer sesame"}


async def ask(client: AsyncClient, change: tuple[str, str, Any], headers: dict[str, str] | dict[bytes, bytes]) -> int:
    method, path, body = change
    response = await client.request(method, path, json=body, headers=headers)
    if response.status_code == 401:
        assert response.json()["type"] == "/problems/unauthorized"
        assert response.headers["www-authenticate"].startswith("Bearer")
    return response.status_code


@pytest.mark.parametrize("token", [None, "Bearer ", "Bearer sesam", "Bearer sesamé", "Basic sesame", "sesame"])
async def test_without_the_token_nothing_changes(
    api: Api, protected: Settings, sale_terms: dict[str, Any], token: str | None
) -> None:
    async with api(protected) as client:
        await client.post("/sales", json=sale_terms, headers=SESAME)
        before = (await client.get("/sales/spring-tour")).json()
        headers = {b"Authorization": token.encode("latin-1")} if token is not None else {}
        assert [await ask(client, change, headers) for change in CHANGES] == [401] * len(CHANGES)
        assert (await client.get("/sales/spring-tour")).json() == before
        assert (await client.get("/sales/autumn-tour")).status_code == 404


async def test_with_the_token_all_of_it_does(api: Api, protected: Settings, sale_terms: dict[str, Any]) -> None:
    async with api(protected) as client:
        await client.post("/sales", json=sale_terms, headers=SESAME)
        assert [await ask(client, change, SESAME) for change in CHANGES] == [201, 200, 202, 404, 200, 200]


async def test_buying_and_looking_need_no_token(api: Api, protected: Settings, sale_terms: dict[str, Any]) -> None:
    async with api(protected) as client:
        await client.post("/sales", json=sale_terms, headers=SESAME)
        order = {"sale": "spring-tour", "customer": "ada"}
        won = await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"})
        assert won.status_code == 200
        for path in ("/sales", "/sales/spring-tour", f"/reservations/{won.json()['reservation_id']}", "/healthz"):
            assert (await client.get(path)).status_code == 200


async def test_where_no_token_is_set_none_is_asked_for(client: AsyncClient, sale: str) -> None:
    """The control: without the setting, no token is needed."""
    assert (await client.post(f"/sales/{sale}/reset")).status_code == 200
