"""What goes wrong while a sale runs, and how it ends."""

from collections.abc import Callable

import pytest

from app.lab.servers.postgres import PostgresServer
from app.lab.servers.valkey import ValkeyServer
from app.ledger.migrate import migrate
from app.ledger.sales import SaleRepository
from tests.flashsale_operator.cluster.conftest import MakeOperator
from tests.flashsale_operator.cluster.kubectl import Namespace, condition, flashsale, is_phase
from tests.flashsale_operator.cluster.operator_process import OperatorProcess
from tests.reconcile.box_office import BoxOffice


@pytest.mark.usefixtures("operator")
async def test_what_redis_forgot_comes_back_from_the_ledger(namespace: Namespace, office: BoxOffice) -> None:
    await namespace.apply(flashsale(stock=10, perCustomerLimit=1))
    await namespace.until(is_phase("Open"))
    sold = await office.sell(6)
    await office.drain()
    await office.redis.unlink(office.keys.sale, office.keys.orders, office.keys.answers(1), office.keys.customers(1))
    sale = await namespace.until(lambda sale: sale["status"]["epoch"] > 1 and sale["status"]["phase"] == "Open")
    assert sale["status"]["stock"] | {"rejected": 0} == {
        "total": 10, "remaining": 4, "backlog": 0, "setAside": 0, "booked": 6, "rejected": 0, "oversold": 0,
    }  # fmt: skip
    assert "lastReconcile" in sale["status"]
    again = await office.buy("buyer-0")
    assert again.reservation == sold[0]  # type: ignore[union-attr]  # the answer is a reservation, and the old one
    repair = ["CounterLost", "SaleFenced", "Reseeded"]
    assert [reason for reason in await namespace.events() if reason in repair] == repair


@pytest.mark.usefixtures("operator")
async def test_leaked_tickets_return_once_after_the_grace_period(namespace: Namespace, office: BoxOffice) -> None:
    await namespace.apply(flashsale(stock=10))
    await namespace.until(is_phase("Open"))
    await office.leak(3)
    leaked = await namespace.until(lambda sale: sale["status"]["drift"]["leaked"] == 3)
    assert condition(leaked, "LedgerConsistent")["reason"] == "Leaked"
    assert (await office.snapshot()).remaining == 7
    mended = await namespace.until(lambda sale: sale["status"]["drift"]["leaked"] == 0)
    assert condition(mended, "LedgerConsistent")["status"] == "True"
    assert (await office.snapshot()).remaining == 10
    assert (await namespace.events())[-2:] == ["DriftDetected", "TicketsReturned"]


async def test_who_only_observes_tells_and_leaves_it(
    namespace: Namespace, operator: OperatorProcess, office: BoxOffice
) -> None:
    await namespace.apply(flashsale(reconcile={"policy": "Observe", "graceSeconds": 1}))
    await namespace.until(is_phase("Open"))
    await office.leak(3)
    sale = await namespace.until(lambda sale: sale["status"]["drift"]["leaked"] == 3)
    before = await operator.metric("atomictickets_operator_reconcile_seconds_count")
    while await operator.metric("atomictickets_operator_reconcile_seconds_count") < before + 4:
        sale = await namespace.sale()
    assert sale["status"]["drift"]["leaked"] == 3
    assert (await office.snapshot()).remaining == 7


@pytest.mark.usefixtures("operator")
async def test_an_unsafe_strategy_is_only_observed(namespace: Namespace, sales: SaleRepository) -> None:
    await namespace.apply(flashsale(strategy="naive"))
    sale = await namespace.until(is_phase("Open"))
    assert condition(sale, "Ready")["status"] == "True"
    ledger = await sales.tally("drop", 1)
    assert (ledger.stock, ledger.epoch) == (10, 1)


async def test_a_gate_that_is_away_is_told_and_nothing_is_guessed(
    namespace: Namespace, make_operator: MakeOperator, make_valkey: Callable[..., ValkeyServer]
) -> None:
    server = make_valkey()
    await make_operator(REDIS_URL=server.url).start()
    await namespace.apply(flashsale())
    await namespace.until(is_phase("Open"))
    server.kill()
    away = await namespace.until(lambda sale: condition(sale, "StockSeeded")["reason"] == "GateUnreachable")
    assert condition(away, "StockSeeded")["status"] == "Unknown"
    assert condition(away, "Ready")["status"] == "False"
    assert away["status"]["stock"]["remaining"] == 10
    server.start()
    await namespace.until(is_phase("Open"))
    assert "GateUnreachable" in await namespace.events()


async def test_a_ledger_that_is_away_leaves_the_sale_as_it_is(
    namespace: Namespace, make_operator: MakeOperator, make_postgres: Callable[..., PostgresServer]
) -> None:
    server = make_postgres()
    await migrate(server.url)
    await make_operator(DATABASE_URL=server.url).start()
    await namespace.apply(flashsale())
    await namespace.until(is_phase("Open"))
    server.kill()
    away = await namespace.until(lambda sale: condition(sale, "LedgerConsistent")["reason"] == "LedgerUnreachable")
    assert (away["status"]["phase"], condition(away, "LedgerConsistent")["status"]) == ("Open", "Unknown")
    assert condition(away, "Accepting")["status"] == "True"
    server.start()
    await namespace.until(lambda sale: condition(sale, "Ready")["status"] == "True")
    assert (await namespace.events()).count("LedgerUnreachable") == 1
