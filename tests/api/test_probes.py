"""The liveness and readiness probes, and the metrics."""

import pytest
from httpx2 import AsyncClient

from app.ledger.migrate import migrate
from app.main import Settings
from app.settings import StoreSettings
from tests.api.conftest import Api, until_ready
from tests.support.until import until

UNREACHABLE = "redis://127.0.0.1:1/0"


def with_stores(settings: Settings, **stores: str) -> Settings:
    changed = settings.stores.model_copy(update=stores)
    return Settings(stores=changed, gate=settings.gate, ledger=settings.ledger, api=settings.api)


async def until_waiting_for(client: AsyncClient, reason: str) -> None:
    """Wait until /readyz names this reason for its 503."""

    async def named() -> bool:
        response = await client.get("/readyz")
        return response.status_code == 503 and reason in response.json()["detail"]

    await until(named)


async def test_a_ready_process_says_so(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.readiness.CHECK_TIMEOUT_SECONDS", 30.0)
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    verbose = (await client.get("/readyz?verbose")).json()
    assert verbose["dependencies"] == {"ledger": "ok", "stock server": "ok", "durability": "ok"}


async def test_without_the_stock_server_it_waits_and_says_what_for(api: Api, settings: Settings) -> None:
    async with api(with_stores(settings, redis_url=UNREACHABLE), ready=False) as client:
        await until_waiting_for(client, "stock server: ")
        assert (await client.get("/readyz")).json()["type"] == "/problems/not-ready"
        assert (await client.get("/healthz")).status_code == 200
        order = {"sale": "spring-tour", "customer": "ada"}
        for response in (
            await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"}),
            await client.post("/sales", json={"name": "a", "strategy": "naive", "stock": 1}),
        ):
            assert (response.status_code, response.json()["type"]) == (503, "/problems/not-ready")
            assert int(response.headers["retry-after"]) >= 1


async def test_a_ledger_without_schema_is_waited_for(api: Api, settings: Settings, empty_database_url: str) -> None:
    async with api(with_stores(settings, database_url=empty_database_url), ready=False) as client:
        await until_waiting_for(client, "app.ledger.migrate")


async def test_a_foreign_pair_of_stores_is_refused(
    api: Api, settings: Settings, client: AsyncClient, empty_database_url: str
) -> None:
    """The stock server belongs to the ledger of `client`. Another ledger, migrated separately, is refused."""
    await migrate(empty_database_url)
    async with api(with_stores(settings, database_url=empty_database_url), ready=False) as foreign:
        await until_waiting_for(foreign, "belong to installation")
    assert (await client.get("/readyz")).status_code == 200


@pytest.mark.usefixtures("client")
async def test_another_ledger_with_keys_of_its_own_is_no_foreigner(
    api: Api, settings: Settings, empty_database_url: str
) -> None:
    """The control: with a key prefix of its own the other ledger is accepted."""
    await migrate(empty_database_url)
    apart = Settings(
        stores=StoreSettings(
            redis_url=settings.stores.redis_url,
            broker_url=settings.stores.broker_url,
            database_url=empty_database_url,
        ),
        gate=settings.gate.model_copy(update={"key_prefix": f"{settings.gate.key_prefix}-2"}),
        ledger=settings.ledger,
        api=settings.api,
    )
    async with api(apart) as other:
        await until_ready(other)


async def test_purchases_are_counted_by_outcome(client: AsyncClient, sale: str) -> None:
    for key, quantity in (("k-1", 10), ("k-1", 10), ("k-2", 1)):
        order = {"sale": sale, "customer": "ada", "quantity": quantity}
        await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": key})
    await client.post("/buy-ticket", json={})
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = set(response.text.splitlines())
    for outcome in ("reserved", "replayed", "sold-out", "not-json", "missing-idempotency-key"):
        expected = f'atomictickets_purchases_total{{outcome="{outcome}"}} 1.0'
        assert (expected in lines) == (outcome != "not-json")
    assert "atomictickets_purchase_seconds_count 4.0" in lines


async def test_active_sales_have_gauges(client: AsyncClient, sale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.sale_gauges.TIMEOUT_SECONDS", 30.0)
    await client.post(
        "/buy-ticket", json={"sale": sale, "customer": "a", "quantity": 3}, headers={"X-Idempotency-Key": "k"}
    )
    lines = (await client.get("/metrics")).text.splitlines()
    assert f'atomictickets_sale_remaining{{sale="{sale}"}} 7.0' in lines
    assert f'atomictickets_sale_backlog{{sale="{sale}"}} 3.0' in lines
    assert "atomictickets_sales_complete 1.0" in lines
    assert any(line.startswith("atomictickets_build_info{") for line in lines)
