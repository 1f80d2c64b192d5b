"""A sale is reset or ended during a blast. Each accepted order is booked to the round in which it was accepted."""

import asyncio

from app.blasts.load.result import LoadResult
from tests.faults.verdict import check_ledger, round_of, verdict
from tests.fixtures.platform import MakePlatform
from tests.support.platform import Platform

BUYERS = 2000
ENOUGH = BUYERS // 10
LATE = 100
ROUND = """
    SELECT coalesce(sum(quantity), 0) AS tickets FROM bookings
    WHERE sale = :sale AND round = :round AND status = 'booked'
"""


async def under_way(platform: Platform, sale: str) -> "asyncio.Task[LoadResult]":
    """Start a crowd, and return it when some of its buyers have bought and most have not."""

    async def well_under_way() -> bool:
        return await platform.accepted(sale) >= ENOUGH

    blast = asyncio.create_task(platform.blast(sale, BUYERS, concurrency=100))
    await platform.wait_until(well_under_way)
    return blast


async def booked_in(platform: Platform, sale: str, round_: int) -> int:
    (row,) = await platform.rows(ROUND, sale=sale, round=round_)
    return int(row.tickets)


async def test_orders_of_the_round_before_a_reset_are_booked_to_it(make_platform: MakePlatform) -> None:
    platform = await make_platform(api=2)
    sale = await platform.create_sale(stock=BUYERS + LATE)
    blast = await under_way(platform, sale)
    assert (await platform.ask("POST", f"/sales/{sale}/reset")).json()["round"] == 2
    # Those who come after the answer buy in the new round: all of the crowd may have bought before the reset.
    records = (await blast).records + (await platform.blast(sale, LATE)).records
    assert [told.outcome for told in records] == ["accepted"] * (BUYERS + LATE)
    view = await verdict(platform, sale, records)
    rounds = [round_of(told) for told in records]
    assert await booked_in(platform, sale, 1) == rounds.count(1) >= ENOUGH
    assert await booked_in(platform, sale, 2) == rounds.count(2) == view["booked"] >= LATE
    assert view["remaining"] == BUYERS + LATE - rounds.count(2)


async def test_what_was_accepted_before_the_end_is_booked(make_platform: MakePlatform) -> None:
    platform = await make_platform(api=2)
    sale = await platform.create_sale(stock=BUYERS)
    keys = platform.gate.keys(sale)

    async def removed() -> bool:
        return not await platform.redis.exists(keys.sale, keys.orders)

    blast = await under_way(platform, sale)
    assert (await platform.ask("DELETE", f"/sales/{sale}")).status_code == 200
    crowd = await blast
    assert crowd.outcomes.keys() <= {"accepted", "sale-not-open"}
    await platform.wait_until(removed)
    await check_ledger(platform, sale, crowd.records)
    assert await booked_in(platform, sale, 1) == crowd.accepted >= ENOUGH
    late = await platform.buy(sale, "late", "key")
    assert (late.status_code, late.json()["type"]) == (409, "/problems/sale-not-open")
    view = await platform.view(sale)
    assert (view["booked"], view["oversold"], view["phase"]) == (crowd.accepted, 0, "Closed")
