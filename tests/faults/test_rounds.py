"""A sale is reset or ended during a blast. Each accepted order is booked to the round in which it was accepted."""

from tests.faults.consistency import assert_consistent, assert_ledger_agrees, round_of
from tests.fixtures.platform import MakePlatform
from tests.support.patience import PATIENCE
from tests.support.platform import PLENTY, WELL_UNDER_WAY, Platform, answered
from tests.support.until import until

ROUND = """
    SELECT coalesce(sum(quantity), 0) AS tickets FROM bookings
    WHERE sale = :sale AND round = :round AND status = 'booked'
"""


async def booked_in(platform: Platform, sale: str, round_: int) -> int:
    (row,) = await platform.rows(ROUND, sale=sale, round=round_)
    return int(row.tickets)


async def test_orders_of_the_round_before_a_reset_are_booked_to_it(make_platform: MakePlatform) -> None:
    platform = await make_platform(api=2, environment=PATIENCE)  # an answer that is lost would be asked for again
    sale = await platform.create_sale(stock=PLENTY)
    async with platform.buyers(sale) as load:
        assert (await platform.ask("POST", f"/sales/{sale}/reset")).json()["round"] == 2
        before = answered(load)
        await until(lambda: answered(load) >= before + WELL_UNDER_WAY)  # more than were under way: some came after it
    crowd = load.result()
    assert crowd.outcomes == {"accepted": crowd.sent}
    view = await assert_consistent(platform, sale, crowd.records)
    rounds = [round_of(record) for record in crowd.records]
    assert await booked_in(platform, sale, 1) == rounds.count(1) >= WELL_UNDER_WAY
    assert await booked_in(platform, sale, 2) == rounds.count(2) == view["booked"] > 0
    assert view["remaining"] == PLENTY - rounds.count(2)


async def test_what_was_accepted_before_the_end_is_booked(make_platform: MakePlatform) -> None:
    platform = await make_platform(api=2)
    sale = await platform.create_sale(stock=PLENTY)
    keys = platform.gate.keys(sale)

    async def removed() -> bool:  # the ledger says so after the keys are gone
        (row,) = await platform.rows("SELECT removed_at FROM sales WHERE name = :sale", sale=sale)
        return row.removed_at is not None and not await platform.redis.exists(keys.sale, keys.orders)

    async with platform.buyers(sale) as load:
        assert (await platform.ask("DELETE", f"/sales/{sale}")).status_code == 200
        await until(lambda: "sale-not-open" in load.progress)
    crowd = load.result()
    assert set(crowd.outcomes) == {"accepted", "sale-not-open"}
    await until(removed)
    await assert_ledger_agrees(platform, sale, crowd.records)
    assert await booked_in(platform, sale, 1) == crowd.accepted >= WELL_UNDER_WAY
    late = await platform.buy(sale, "late", "key")
    assert (late.status_code, late.json()["type"]) == (409, "/problems/sale-not-open")
    view = await platform.view(sale)
    assert (view["booked"], view["oversold"], view["phase"]) == (crowd.accepted, 0, "Closed")
