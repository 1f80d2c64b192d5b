"""Declared sales, sold and booked with nothing played: the operator has the rights of its Role, and Celery drains."""

import asyncio

import pytest
from sqlalchemy import text

from app.sales.outcomes import Reserved
from tests.cluster.installation import Installation
from tests.cluster.manifests import flashsale
from tests.reconcile.box_office import BoxOffice

pytestmark = pytest.mark.cluster

QUICK = {"reconcile": {"intervalSeconds": 1, "graceSeconds": 1}}


async def test_a_sale_is_booked_to_its_last_ticket_and_grown(installation: Installation, box_office: BoxOffice) -> None:
    installation.set_up()
    installation.start_operator()
    installation.start_worker()
    installation.kubectl.apply(flashsale("drop", {"perCustomerLimit": 2}))
    installation.until_told("drop", ".status.phase", "Open")
    assert len(await box_office.sell(15)) == 10
    installation.until_told("drop", ".status.stock.booked", "10")
    installation.until_told("drop", ".status.phase", "SoldOut")

    installation.kubectl.patch("fs/drop", {"spec": {"stock": 12}})
    installation.until_told("drop", ".status.phase", "Open")
    assert len(await box_office.sell(5, "late")) == 2
    installation.until_told("drop", ".status.stock.booked", "12")
    assert installation.read("drop", ".status.stock.oversold") == "0"
    installation.until(lambda: installation.reasons("drop").count("SoldOut") == 2)
    assert sorted(installation.reasons("drop")) == ["SaleOpened", "SaleOpened", "Seeded", "SoldOut", "SoldOut"]


async def test_buyers_notice_nothing_of_an_operator_that_dies_and_drift_is_mended_when_it_is_back(
    installation: Installation, box_office: BoxOffice
) -> None:
    installation.set_up()
    operator = installation.start_operator()
    installation.start_worker()
    installation.kubectl.apply(flashsale("drop", {"stock": 40} | QUICK))
    installation.until_told("drop", ".status.phase", "Open")
    assert len(await box_office.sell(10, "before")) == 10
    operator.kill()
    assert len(await box_office.sell(10, "meanwhile")) == 10
    await box_office.leak(3)
    installation.start_operator()
    installation.until(lambda: "TicketsReturned" in installation.reasons("drop"))
    assert len(await box_office.sell(30, "after")) == 20
    installation.until_told("drop", ".status.stock.booked", "40")
    assert installation.read("drop", ".status.stock.oversold") == "0"
    assert installation.reasons("drop").count("TicketsReturned") == 1


async def test_a_flushed_redis_is_reseeded_while_buyers_keep_coming_and_nothing_is_oversold(
    installation: Installation, box_office: BoxOffice
) -> None:
    installation.set_up()
    installation.start_operator()
    installation.start_worker()
    installation.kubectl.apply(flashsale("drop", {"stock": 200} | QUICK))
    installation.until_told("drop", ".status.phase", "Open")
    told = {str(reservation) for reservation in await box_office.sell(50, "early")}
    buyers = asyncio.create_task(buy_until_sold_out(box_office, told))
    await box_office.redis.unlink(*await all_keys(box_office))
    await asyncio.to_thread(installation.until, lambda: "Reseeded" in installation.reasons("drop"))
    await buyers
    installation.until_told("drop", ".status.stock.booked", "200")
    assert installation.read("drop", ".status.stock.oversold") == "0"
    assert await booked(box_office) <= told  # nobody has a ticket that nobody promised; who has none was forgotten


async def buy_until_sold_out(box_office: BoxOffice, told: set[str]) -> None:
    """One buyer after another; while the gate has forgotten the sale, or is fenced, they come again."""
    number = 0
    while True:
        number += 1
        reply = await box_office.try_to_buy(f"buyer-{number}")
        if reply.verdict != "decided":
            continue
        outcome = reply.decisions[0].outcome
        if not isinstance(outcome, Reserved):
            return
        told.add(str(outcome.reservation))


async def booked(box_office: BoxOffice) -> set[str]:
    async with box_office.engine.connect() as connection:
        return set(await connection.scalars(text("SELECT reservation_id FROM bookings WHERE status = 'booked'")))


async def all_keys(box_office: BoxOffice) -> list[str]:
    """The sale's, as a FLUSHALL would take them; other tests' are on the same server."""
    return [key async for key in box_office.redis.scan_iter(match=f"{box_office.keys.sale.rpartition(':')[0]}:*")]
