"""Stores that fail while a sale runs. The API answers 503 with Retry-After, and later the same key gets the outcome."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.servers.valkey import ValkeyServer
from app.ledger.migrate import migrate
from app.main import Settings
from tests.api.conftest import Api, until_ready
from tests.api.test_probes import with_stores
from tests.support.silent_broker import SilentBroker
from tests.support.until import until

KEY = {"X-Idempotency-Key": "k-1"}
ORDER = {"sale": "spring-tour", "customer": "ada", "quantity": 2}


async def buy_until(client: AsyncClient, status: int) -> Response:
    """Repeat the purchase, as Retry-After asks a client to, until it gets this status. Return that answer."""
    answers: list[Response] = []

    async def answered() -> bool:
        answers.append(await client.post("/buy-ticket", json=ORDER, headers=KEY))
        if answers[-1].status_code == 503:
            assert int(answers[-1].headers["retry-after"]) >= 1
            return False
        return True

    await until(answered)
    assert answers[-1].status_code == status
    return answers[-1]


@pytest.fixture
def stock_server(make_valkey: Callable[..., ValkeyServer]) -> ValkeyServer:
    return make_valkey()


async def test_without_the_stock_server_nobody_is_refused_for_good(
    api: Api, settings: Settings, stock_server: ValkeyServer, sale_terms: dict[str, Any]
) -> None:
    async with api(with_stores(settings, redis_url=stock_server.url)) as client:
        await client.post("/sales", json=sale_terms)
        stock_server.kill()
        away = await client.post("/buy-ticket", json=ORDER, headers=KEY)
        assert (away.status_code, away.json()["type"]) == (503, "/problems/temporarily-unavailable")
        assert int(away.headers["retry-after"]) >= 1
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz?verbose")).json()["dependencies"]["stock server"] != "ok"
        sale = await client.get("/sales/spring-tour")
        assert (sale.status_code, sale.json()["remaining"], sale.json()["phase"]) == (200, None, "Degraded")
        assert (await client.get("/metrics")).status_code == 200


@contextmanager
def reconciling(settings: Settings) -> Iterator[None]:
    """Run the reconciler in a process of its own."""
    environment = {
        "REDIS_URL": settings.stores.redis_url,
        "DATABASE_URL": settings.stores.database_url,
        "GATE_KEY_PREFIX": settings.gate.key_prefix,
        "RECONCILE_INTERVAL_SECONDS": "0.2",
    }
    process = subprocess.Popen([sys.executable, "-m", "app.reconciler"], env=os.environ | environment)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def test_after_a_crash_of_the_stock_server_the_same_key_tells_the_truth(
    api: Api, settings: Settings, stock_server: ValkeyServer, sale_terms: dict[str, Any]
) -> None:
    """One order was accepted and one was not. The server is killed and restarts, and no buyer gets a second ticket."""
    stores = with_stores(settings, redis_url=stock_server.url)
    async with api(stores) as client:
        await client.post("/sales", json=sale_terms)
        won = await client.post("/buy-ticket", json=ORDER, headers=KEY)
        stock_server.kill()
        refused = await client.post("/buy-ticket", json=ORDER | {"customer": "bob"}, headers=KEY)
        assert refused.status_code == 503
        stock_server.start()
        with reconciling(stores):
            again = await buy_until(client, 200)
            assert again.json() == won.json() | {"replayed": True}
            bob = await client.post("/buy-ticket", json=ORDER | {"customer": "bob"}, headers=KEY)
            assert (bob.status_code, bob.json()["replayed"]) == (200, False)
        figures = (await client.get("/sales/spring-tour")).json()
        assert (figures["remaining"], figures["backlog"], figures["identity"]["holds"]) == (6, 4, True)


async def test_a_pause_while_the_stock_server_is_away_holds_once_it_is_back(
    api: Api, settings: Settings, stock_server: ValkeyServer, sale_terms: dict[str, Any]
) -> None:
    stores = with_stores(settings, redis_url=stock_server.url)
    async with api(stores) as client:
        await client.post("/sales", json=sale_terms)
        stock_server.kill()
        for paused in (False, True):
            changed = await client.patch("/sales/spring-tour", json={"paused": paused})
            assert (changed.status_code, changed.json()["paused"]) == (200, paused)
        stock_server.start()
        with reconciling(stores):
            refused = await buy_until(client, 409)
            assert refused.json()["reason"] == "paused"
            await client.patch("/sales/spring-tour", json={"paused": False})
            assert (await client.post("/buy-ticket", json=ORDER, headers=KEY)).status_code == 200  # the control


async def test_a_ledger_that_is_away_is_a_503(
    api: Api, settings: Settings, make_postgres: Callable[..., Any], sale_terms: dict[str, Any]
) -> None:
    postgres = make_postgres()
    await migrate(postgres.url)
    async with api(with_stores(settings, database_url=postgres.url)) as client:
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
        # The gate needs no ledger: a sale that this process already knows goes on.
        assert (await client.post("/buy-ticket", json=ORDER, headers=KEY)).json()["replayed"] is True
        postgres.start()

        async def back() -> bool:
            return (await client.get("/sales/spring-tour")).status_code == 200

        await until(back)


async def test_after_a_read_only_moment_of_the_ledger_nobody_ends_its_sessions(
    api: Api, settings: Settings, make_postgres: Callable[..., PostgresServer], sale_terms: dict[str, Any]
) -> None:
    """The setting reaches the open sessions. Each new one has it from its start, as after a failover to a standby."""
    postgres = make_postgres()
    await migrate(postgres.url)

    def read_only(value: str) -> None:
        postgres.run_sql(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        postgres.run_sql("SELECT pg_reload_conf()")

    async with api(with_stores(settings, database_url=postgres.url)) as client:

        async def ledger_is(state: str) -> bool:
            ready = await client.get("/readyz?verbose")
            assert ready.status_code == 200
            return state in ready.json()["dependencies"]["ledger"]

        await client.post("/sales", json=sale_terms)
        assert (await client.post("/buy-ticket", json=ORDER, headers=KEY)).status_code == 200
        assert await ledger_is("ok")
        read_only("on")
        await until(lambda: ledger_is("read-only"))
        for _ in ("over a session that was there", "over one that has to be opened"):
            refused = await client.post("/sales", json=sale_terms | {"name": "autumn-tour"})
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/temporarily-unavailable")
            assert int(refused.headers["retry-after"]) >= 1
        other = ORDER | {"customer": "bob"}  # the gate needs no ledger
        assert (await client.post("/buy-ticket", json=other, headers=KEY)).status_code == 200
        read_only("off")
        await until(lambda: ledger_is("ok"))
        assert (await client.post("/sales", json=sale_terms | {"name": "autumn-tour"})).status_code == 201


async def test_a_start_without_stores_ends_well(
    api: Api, settings: Settings, stock_server: ValkeyServer, sale_terms: dict[str, Any]
) -> None:
    stock_server.kill()
    async with api(with_stores(settings, redis_url=stock_server.url), ready=False) as client:
        assert (await client.get("/readyz")).status_code == 503
        stock_server.start()
        await until_ready(client)
        assert (await client.post("/sales", json=sale_terms)).status_code == 201
        await buy_until(client, 200)


async def test_a_broker_that_hangs_costs_no_buyer_anything(
    api: Api, settings: Settings, sale_terms: dict[str, Any], silent_broker: SilentBroker
) -> None:
    async with api(with_stores(settings, broker_url=silent_broker.url)) as client:
        assert (await client.post("/sales", json=sale_terms | {"stock": 200})).status_code == 201
        for number in range(40):
            orders = [ORDER | {"customer": f"ada-{number}-{each}", "quantity": 1} for each in range(5)]
            answers = await asyncio.gather(*(client.post("/buy-ticket", json=order, headers=KEY) for order in orders))
            assert {answer.status_code for answer in answers} == {200}
    assert silent_broker.connections > 0
