"""The life of a declared sale without stand-ins: the operator has the rights of its Role, and real Celery drains."""

import pytest
from redis.asyncio import Redis

from app.ledger.sales import SaleRepository
from app.live.resources import ResourceReports
from tests.cluster.installation import Installation
from tests.cluster.manifests import quick
from tests.cluster.statuses import condition
from tests.support.box_office import BoxOffice
from tests.support.until import until

pytestmark = pytest.mark.cluster


async def test_a_sale_is_opened_sold_booked_and_grown(
    running: Installation, office: BoxOffice, broker: Redis, key_prefix: str
) -> None:
    running.start_worker()
    running.api.create(quick(perCustomerLimit=2))
    # The API server takes a moment to apply new rights: the first read of the Deployment may be refused.
    opened = running.until_status(
        lambda status: status["phase"] == "Open" and condition(status, "WorkersAvailable")[0] != "Unknown"
    )
    assert (opened["round"], opened["epoch"], opened["observedGeneration"]) == (1, 1, 1)
    assert {one["type"]: one["status"] for one in opened["conditions"]} == {
        "Ready": "True",
        "StockSeeded": "True",
        "WorkersAvailable": "False",  # no node takes the pods
        "LedgerConsistent": "True",
        "Accepting": "True",
    }
    metadata = running.sale()["metadata"]
    assert "finalizers" not in metadata
    assert all("kopf" not in name for name in metadata.get("annotations", {}))

    assert len(await office.sell(15)) == 10
    sold_out = running.until_status(lambda status: status["phase"] == "SoldOut" and status["stock"]["booked"] == 10)
    assert condition(sold_out, "Accepting")[0] == "False"
    assert condition(sold_out, "Ready")[0] == "True"

    running.api.patch("flashsale/drop", {"spec": {"stock": 12}})
    running.until_phase("Open")
    assert len(await office.sell(5, "late")) == 2
    sold = running.until_status(lambda status: status["phase"] == "SoldOut" and status["stock"]["booked"] == 12)
    assert sold["stock"]["oversold"] == 0
    assert running.reasons() == ["Seeded", "SaleOpened", "SoldOut", "SaleOpened", "SoldOut"]
    assert running.operators[0].probe() == 200

    reported = await ResourceReports(broker, key_prefix).status_of("drop")  # for the dashboard
    assert reported is not None
    assert (reported["phase"], reported["conditions"]) == ("SoldOut", sold["conditions"])


async def test_a_changed_spec_comes_into_force(running: Installation, office: BoxOffice) -> None:
    running.api.create(quick())
    running.until_phase("Open")
    await office.sell(4)

    running.api.patch("flashsale/drop", {"spec": {"stock": 12}})
    grown = running.until_status(lambda status: bool(status["observedGeneration"] == 2))
    assert (grown["stock"]["total"], grown["stock"]["remaining"]) == (12, 8)

    running.api.patch("flashsale/drop", {"spec": {"paused": True}})
    running.until_phase("Paused")
    assert (await office.snapshot()).state == "paused"
    running.api.patch("flashsale/drop", {"spec": {"paused": False, "closesAt": "2020-01-01T00:00:00Z"}})
    running.until_phase("Draining")
    await office.drain()
    running.until_phase("Closed")
    assert (await office.snapshot()).closes > 0

    running.api.patch("flashsale/drop", {"spec": {"round": 2, "stock": 3, "closesAt": None}})
    restarted = running.until_phase("Open")
    assert (restarted["round"], restarted["stock"]["remaining"]) == (2, 3)
    ready = next(one for one in restarted["conditions"] if one["type"] == "Ready")
    assert ready["observedGeneration"] == 5


async def test_a_deleted_sale_is_ended_and_its_bookings_stay(
    running: Installation, office: BoxOffice, sales: SaleRepository
) -> None:
    running.api.create(quick())
    running.until_phase("Open")
    await office.sell(4)
    await office.drain(3)
    running.api.delete("flashsale/drop")
    await until(lambda: is_closed(office), seconds=60)
    await office.drain()
    await until(lambda: is_removed(sales, "drop"), seconds=60)
    assert await office.gate.snapshot("drop") is None
    assert await office.booked() == 4

    running.api.create(quick())
    again = running.until_phase("Open")
    assert (again["round"], again["stock"]["remaining"]) == (2, 10)


async def test_a_namespace_goes_with_the_operator_stopped(running: Installation, sales: SaleRepository) -> None:
    running.api.create(quick())
    running.until_phase("Open")
    assert running.operators[0].stop(seconds=30)
    running.api.delete_namespace()
    await until(lambda: not running.api.has_namespace(), seconds=120)
    sale = await sales.get("drop")
    assert sale is not None
    assert sale.ended_at is None


async def is_closed(office: BoxOffice) -> bool:
    return (await office.sale()).ended_at is not None and (await office.snapshot()).state == "closed"


async def is_removed(sales: SaleRepository, name: str) -> bool:
    sale = await sales.get(name)
    return sale is not None and sale.removed_at is not None
