"""Buyers keep coming while the stock server loses its data, or while no operator runs."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.connection import make_redis
from app.lab.stack.servers.valkey import ValkeyServer
from app.ledger.sales import SaleRepository
from app.sales.outcomes import Reserved
from app.settings import GateSettings
from tests.cluster.installation import Installation
from tests.cluster.manifests import quick
from tests.cluster.test_life import is_removed
from tests.support.box_office import BoxOffice
from tests.support.until import until

pytestmark = pytest.mark.cluster

EVERY_FIVE = {"intervalSeconds": 5, "graceSeconds": 5}


async def test_a_stock_server_that_is_flushed_sells_on_and_nothing_is_oversold(
    installation: Installation, make_valkey: Callable[..., ValkeyServer], key_prefix: str, engine: AsyncEngine
) -> None:
    server = make_valkey()
    redis = make_redis(server.url, "test", GateSettings(connect_timeout_seconds=10, command_timeout_seconds=10))
    office = BoxOffice(redis, key_prefix, engine)
    installation.set_up()
    installation.start_operator(REDIS_URL=server.url)
    installation.start_worker(REDIS_URL=server.url)
    installation.api.create(quick(stock=500, reconcile=EVERY_FIVE))
    await asyncio.to_thread(installation.until_phase, "Open")
    promised = {str(reservation) for reservation in await office.sell(100, "early")}
    buyers = asyncio.create_task(buy_until_sold_out(office, promised))
    await until(lambda: len(promised) >= 150)
    await redis.flushall()
    await buyers
    final = await asyncio.to_thread(installation.until_status, lambda status: status["stock"]["booked"] == 500)
    assert (final["stock"]["oversold"], final["stock"]["remaining"], final["epoch"]) == (0, 0, 2)
    assert await booked(engine) <= promised  # every booking was promised; some promises were lost with the data
    repair = {"CounterLost", "SaleFenced", "Reseeded"}
    assert sorted(reason for reason in installation.reasons() if reason in repair) == sorted(repair)
    await redis.aclose()


# This takes 12 s: the Lease of a killed operator lasts for 6 s, and leaked tickets return 2 s later.
async def test_a_sale_goes_on_without_an_operator_and_the_next_one_repairs_what_was_missed(
    running: Installation, office: BoxOffice, sales: SaleRepository, engine: AsyncEngine
) -> None:
    running.start_worker()
    running.api.create(quick(stock=40), quick("gone"), quick("kept"))
    for name in ("drop", "gone", "kept"):
        running.until_phase("Open", name)
    promised = {str(reservation) for reservation in await office.sell(10, "before")}
    running.operators[0].kill()
    meanwhile = await office.sell(10, "meanwhile")
    assert len(meanwhile) == 10
    promised |= set(map(str, meanwhile))
    await office.leak(3)
    running.api.delete("flashsale/gone")
    await until(lambda: has_booked(engine, promised), seconds=60)  # the workers need no operator

    running.start_operator()
    running.until(lambda: "TicketsReturned" in running.reasons())
    await until(lambda: is_removed(sales, "gone"), seconds=60)
    kept = await sales.get("kept")
    assert kept is not None
    assert kept.ended_at is None
    promised |= set(map(str, await office.sell(30, "after")))
    assert len(promised) == 40
    sold = running.until_status(lambda status: status["stock"]["booked"] == 40)
    assert sold["stock"]["oversold"] == 0
    assert await booked(engine) == promised
    assert running.reasons().count("TicketsReturned") == 1


async def buy_until_sold_out(office: BoxOffice, promised: set[str]) -> None:
    """Send one buyer after another until the sale is sold out, and add each promised reservation to `promised`.

    A buyer that gets no decision, because the gate does not know the sale or is fenced, is followed by the next buyer.
    """
    number = 0
    while True:
        number += 1
        reply = await office.try_to_buy(f"buyer-{number}")
        if reply.result != "decided":
            continue
        outcome = reply.decisions[0].outcome
        if not isinstance(outcome, Reserved):
            return
        promised.add(str(outcome.reservation))


async def has_booked(engine: AsyncEngine, promised: set[str]) -> bool:
    return await booked(engine) == promised


async def booked(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.scalars(text("SELECT reservation_id FROM bookings WHERE status = 'booked'")))
