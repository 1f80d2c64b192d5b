"""Faults of the stores while a sale runs, and how the operator repairs or reports them."""

from collections.abc import Callable

import pytest

from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.servers.valkey import ValkeyServer
from app.ledger.migrate import migrate
from app.ledger.sales import SaleRepository
from tests.cluster.installation import Installation
from tests.cluster.manifests import quick
from tests.cluster.statuses import condition
from tests.support.box_office import BoxOffice

pytestmark = pytest.mark.cluster


async def test_a_forgotten_sale_comes_back_with_limits_and_answers(running: Installation, office: BoxOffice) -> None:
    running.api.create(quick(perCustomerLimit=1))
    running.until_phase("Open")
    sold = await office.sell(6)
    await office.drain()
    keys = office.keys
    await office.redis.unlink(keys.sale, keys.orders, keys.answers(1), keys.customers(1))
    status = running.until_status(lambda status: status["epoch"] > 1 and status["phase"] == "Open")
    assert status["stock"] == {
        "total": 10, "remaining": 4, "backlog": 0, "setAside": 0, "booked": 6, "rejected": 0, "oversold": 0,
        "rebooked": 0,
    }  # fmt: skip
    assert "lastReconcile" in status
    again = await office.buy("buyer-0")
    assert again.reservation == sold[0]  # type: ignore[union-attr]  # the answer is the old reservation
    repair = ["CounterLost", "SaleFenced", "Reseeded"]
    assert [reason for reason in running.reasons() if reason in repair] == repair


# This takes 10 s: two grace periods of 2 s, with checks before and after them a second apart.
async def test_leaked_tickets_return_once_after_the_grace_period(running: Installation, office: BoxOffice) -> None:
    running.api.create(quick())
    running.until_phase("Open")
    await office.leak(3)
    leaked = running.until_status(lambda status: status["drift"]["leaked"] == 3)
    assert condition(leaked, "LedgerConsistent") == ("False", "Leaked")
    mended = running.until_status(lambda status: condition(status, "LedgerConsistent")[0] == "True")
    assert mended["drift"] == {"leaked": 0, "overAdmitted": 0, "unsold": 0, "lost": 0}
    running.operators[0].until_reconciled(4)  # each time it could return the tickets once more
    snapshot = await office.snapshot()
    assert (snapshot.remaining, snapshot.repairs) == (10, 1)
    assert running.reasons() == ["Seeded", "SaleOpened", "DriftDetected", "TicketsReturned"]

    await office.leak(2)
    running.until(lambda: running.reasons().count("TicketsReturned") == 2)
    assert running.reasons()[-2:] == ["DriftDetected", "TicketsReturned"]
    assert (await office.snapshot()).remaining == 10


async def test_the_policy_observe_reports_drift_and_repairs_nothing(running: Installation, office: BoxOffice) -> None:
    running.api.create(quick(reconcile={"intervalSeconds": 1, "policy": "Observe", "graceSeconds": 1}))
    running.until_phase("Open")
    await office.leak(3)
    running.until_status(lambda status: status["drift"]["leaked"] == 3)
    running.operators[0].until_reconciled(4)
    assert running.sale()["status"]["drift"]["leaked"] == 3
    assert (await office.snapshot()).remaining == 7


async def test_an_unsafe_strategy_is_only_observed(running: Installation, sales: SaleRepository) -> None:
    running.api.create(quick(strategy="naive"))
    status = running.until_phase("Open")
    assert condition(status, "Ready")[0] == "True"
    ledger = await sales.tally("drop", 1)
    assert (ledger.stock, ledger.epoch) == (10, 1)


def test_a_gate_that_is_away_is_reported_and_nothing_is_guessed(
    installation: Installation, make_valkey: Callable[..., ValkeyServer]
) -> None:
    server = make_valkey()
    installation.set_up()
    installation.start_operator(REDIS_URL=server.url)
    installation.api.create(quick())
    installation.until_phase("Open")
    server.kill()
    away = installation.until_status(lambda status: condition(status, "StockSeeded")[1] == "GateUnreachable")
    assert condition(away, "StockSeeded")[0] == "Unknown"
    assert condition(away, "Ready")[0] == "False"
    assert away["stock"]["remaining"] == 10
    server.start()
    back = installation.until_phase("Open")
    assert back["stock"]["remaining"] == 10
    assert installation.reasons().count("GateUnreachable") == 1


async def test_a_ledger_that_is_away_leaves_the_sale_as_it_is(
    installation: Installation, make_postgres: Callable[..., PostgresServer]
) -> None:
    server = make_postgres()
    await migrate(server.url)
    installation.set_up()
    installation.start_operator(DATABASE_URL=server.url)
    installation.api.create(quick())
    installation.until_phase("Open")
    server.kill()
    away = installation.until_status(lambda status: condition(status, "LedgerConsistent")[1] == "LedgerUnreachable")
    assert (away["phase"], condition(away, "LedgerConsistent")[0]) == ("Open", "Unknown")
    assert condition(away, "Accepting")[0] == "True"
    server.start()
    installation.until_status(lambda status: condition(status, "Ready")[0] == "True")
    assert installation.reasons().count("LedgerUnreachable") == 1
