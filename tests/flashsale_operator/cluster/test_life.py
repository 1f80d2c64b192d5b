"""The life of a declared sale, on a real API server with real stores."""

import asyncio
from collections.abc import Callable

import pytest

from app.ledger.sales import SaleRepository
from app.sales.model import Sale
from tests.flashsale_operator.cluster.conftest import MakeOperator
from tests.flashsale_operator.cluster.kubectl import Namespace, condition, flashsale, is_phase
from tests.flashsale_operator.cluster.operator_process import OperatorProcess
from tests.reconcile.box_office import BoxOffice


async def until(holds: Callable[[Sale], bool], sales: SaleRepository) -> None:
    async with asyncio.timeout(30):
        while (sale := await sales.get("drop")) is None or not holds(sale):  # noqa: ASYNC110  it comes true in another process
            await asyncio.sleep(0.1)


async def test_a_sale_that_is_applied_opens_and_sells(
    namespace: Namespace, operator: OperatorProcess, office: BoxOffice
) -> None:
    await namespace.apply(flashsale(stock=10))
    sale = await namespace.until(is_phase("Open"))
    assert sale["status"]["stock"]["remaining"] == 10
    assert (sale["status"]["round"], sale["status"]["epoch"], sale["status"]["observedGeneration"]) == (1, 1, 1)
    assert {one["type"]: one["status"] for one in sale["status"]["conditions"]} == {
        "Ready": "True",
        "StockSeeded": "True",
        "WorkersAvailable": "False",  # there is no node on which a pod could start
        "LedgerConsistent": "True",
        "Accepting": "True",
    }
    assert "finalizers" not in sale["metadata"]
    assert all("kopf" not in name for name in sale["metadata"].get("annotations", {}))
    assert len(await office.sell(10)) == 10
    await office.drain()
    sold_out = await namespace.until(is_phase("SoldOut"))
    assert sold_out["status"]["stock"]["booked"] == 10
    assert condition(sold_out, "Accepting")["status"] == "False"
    assert condition(sold_out, "Ready")["status"] == "True"
    assert await namespace.events() == ["Seeded", "SaleOpened", "SoldOut"]
    assert (await operator.health()).startswith("HTTP/1.1 200")


@pytest.mark.usefixtures("operator")
async def test_a_changed_spec_comes_into_force(namespace: Namespace, office: BoxOffice) -> None:
    await namespace.apply(flashsale(stock=10))
    await namespace.until(is_phase("Open"))
    await office.sell(4)

    await namespace.patch("drop", stock=12)
    grown = await namespace.until(lambda sale: sale["status"].get("observedGeneration") == 2)
    assert (grown["status"]["stock"]["total"], grown["status"]["stock"]["remaining"]) == (12, 8)

    await namespace.patch("drop", paused=True)
    await namespace.until(is_phase("Paused"))
    assert (await office.snapshot()).state == "paused"
    await namespace.patch("drop", paused=False, closesAt="2020-01-01T00:00:00Z")
    await namespace.until(is_phase("Draining"))
    await office.drain()
    await namespace.until(is_phase("Closed"))
    assert (await office.snapshot()).closes > 0

    await namespace.patch("drop", round=2, stock=3, closesAt=None)
    afresh = await namespace.until(is_phase("Open"))
    assert (afresh["status"]["round"], afresh["status"]["stock"]["remaining"]) == (2, 3)
    assert condition(afresh, "Ready")["observedGeneration"] == 5


async def test_a_deleted_sale_is_ended_and_its_bookings_stay(
    namespace: Namespace, operator: OperatorProcess, office: BoxOffice, sales: SaleRepository
) -> None:
    await namespace.apply(flashsale())
    await namespace.until(is_phase("Open"))
    await office.sell(4)
    await office.drain(3)
    await namespace.delete("flashsale/drop")
    await until(lambda sale: sale.ended_at is not None, sales)
    assert (await office.snapshot()).state == "closed"
    await office.drain()
    await until(lambda sale: sale.removed_at is not None, sales)
    assert await office.gate.snapshot("drop") is None
    assert await office.booked() == 4

    await namespace.apply(flashsale())
    again = await namespace.until(is_phase("Open"))
    assert (again["status"]["round"], again["status"]["stock"]["remaining"]) == (2, 10)
    assert "atomictickets_flashsale_epoch" in await operator.metrics()


async def test_a_sale_that_is_deleted_while_the_operator_is_away_is_ended_when_it_is_back(
    namespace: Namespace, make_operator: MakeOperator, sales: SaleRepository
) -> None:
    operator = make_operator()
    await operator.start()
    await namespace.apply(flashsale(), flashsale("other"))
    await namespace.until(is_phase("Open"))
    await namespace.until(is_phase("Open"), "other")
    await operator.kill()
    await namespace.delete("flashsale/drop")
    await make_operator().start()
    await until(lambda sale: sale.removed_at is not None, sales)
    other = await sales.get("other")
    assert other is not None
    assert other.ended_at is None


async def test_a_namespace_goes_with_the_operator_stopped(
    namespace: Namespace, operator: OperatorProcess, sales: SaleRepository
) -> None:
    await namespace.apply(flashsale())
    await namespace.until(is_phase("Open"))
    await operator.stop()
    await namespace.kubectl("delete", "namespace", namespace.name, "--timeout=60s")
    sale = await sales.get("drop")
    assert sale is not None
    assert sale.ended_at is None
