"""Stores that go away while a sale runs: a 503 that tells when to come back, and then the same key tells the truth."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from app.lab.servers.valkey import ValkeyServer
from app.main import Settings
from tests.api.conftest import Api
from tests.api.test_probes import elsewhere

KEY = {"X-Idempotency-Key": "k-1"}
ORDER = {"sale": "spring-tour", "customer": "ada", "quantity": 2}


async def buy_until(client: AsyncClient, status: int) -> Response:
    """Repeats the purchase, as a client is told to, until it has this answer."""
    async with asyncio.timeout(20):
        while (response := await client.post("/buy-ticket", json=ORDER, headers=KEY)).status_code != status:
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) >= 1
            await asyncio.sleep(0.05)
    return response


@pytest.fixture
def stock_server(make_valkey: Callable[..., ValkeyServer]) -> ValkeyServer:
    return make_valkey()


async def test_without_the_stock_server_nobody_is_refused_for_good(
    api: Api, settings: Settings, stock_server: ValkeyServer, sale_terms: dict[str, Any]
) -> None:
    async with api(elsewhere(settings, redis_url=stock_server.url)) as client:
        await client.post("/sales", json=sale_terms)
        stock_server.kill()
        away = await client.post("/buy-ticket", json=ORDER, headers=KEY)
        assert (away.status_code, away.json()["type"]) == (503, "/problems/temporarily-unavailable")
        assert int(away.headers["retry-after"]) >= 1
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz?verbose")).json()["dependencies"]["stock server"] != "ok"
        told = await client.get("/sales/spring-tour")
        assert (told.status_code, told.json()["remaining"], told.json()["phase"]) == (200, None, "Degraded")
        assert (await client.get("/metrics")).status_code == 200


async def test_a_ledger_that_is_away_is_a_503(
    api: Api, settings: Settings, make_postgres: Callable[..., Any], sale_terms: dict[str, Any]
) -> None:
    from app.ledger.migrate import migrate  # noqa: PLC0415  Alembic is only needed here

    postgres = make_postgres()
    await migrate(postgres.url)
    async with api(elsewhere(settings, database_url=postgres.url)) as client:
        await client.post("/sales", json=sale_terms)
        assert (await client.post("/buy-ticket", json=ORDER, headers=KEY)).status_code == 200
        postgres.kill()
        for response in (
            await client.get("/sales"),
            await client.get("/sales/spring-tour"),
            await client.post("/sales", json=sale_terms | {"name": "autumn-tour"}),
            await client.get("/blasts/" + "0" * 32),
            await client.post("/buy-ticket", json=ORDER | {"sale": "autumn-tour"}, headers=KEY),
        ):
            assert (response.status_code, response.json()["type"]) == (503, "/problems/temporarily-unavailable")
            assert int(response.headers["retry-after"]) >= 1
        # The gate needs no ledger: the sale that this process knows goes on.
        assert (await client.post("/buy-ticket", json=ORDER, headers=KEY)).json()["replayed"] is True
        postgres.start()
        async with asyncio.timeout(20):
            while (await client.get("/sales/spring-tour")).status_code != 200:
                await asyncio.sleep(0.05)


async def test_a_start_without_stores_ends_well(
    api: Api, settings: Settings, stock_server: ValkeyServer, sale_terms: dict[str, Any]
) -> None:
    stock_server.kill()
    async with api(elsewhere(settings, redis_url=stock_server.url), ready=False) as client:
        assert (await client.get("/readyz")).status_code == 503
        stock_server.start()
        async with asyncio.timeout(20):
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.05)
        assert (await client.post("/sales", json=sale_terms)).status_code == 201
        await buy_until(client, 200)
