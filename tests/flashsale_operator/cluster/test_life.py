"""The life of a declared sale, on a real API server with real stores."""

from sqlalchemy import text

from app.ledger.sales import SaleRepository
from tests.flashsale_operator.cluster.conftest import MakeOperator
from tests.flashsale_operator.cluster.kubectl import Namespace, condition, flashsale, is_phase, is_true
from tests.flashsale_operator.cluster.operator_process import OperatorProcess
from tests.reconcile.box_office import BoxOffice


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
