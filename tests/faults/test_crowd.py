"""1,000 buyers at once for 100 tickets, over two API processes and two workers."""

from tests.faults.consistency import assert_consistent
from tests.fixtures.platform import MakePlatform

BUYERS, TICKETS = 1000, 100


async def test_a_thousand_buyers_get_exactly_the_hundred_tickets(make_platform: MakePlatform) -> None:
    platform = await make_platform(api=2, workers=2)
    sale = await platform.create_sale(stock=TICKETS)
    crowd = await platform.blast(sale, BUYERS, concurrency=BUYERS)
    assert crowd.outcomes == {"accepted": TICKETS, "sold-out": BUYERS - TICKETS}
    view = await assert_consistent(platform, sale, crowd.records)
    assert (view["booked"], view["rejected"], view["duplicates"], view["remaining"]) == (TICKETS, 0, 0, 0)
    assert view["phase"] == "SoldOut"


async def test_the_naive_way_oversells_to_the_same_crowd(make_platform: MakePlatform) -> None:
    """The control: the naive strategy reads, pauses and writes, in the same two processes."""
    platform = await make_platform(api=2, workers=0, environment={"LEDGER_POOL_SIZE": "20"})
    sale = await platform.create_sale(stock=TICKETS, strategy="naive", think_ms=20)
    crowd = await platform.blast(sale, BUYERS, concurrency=BUYERS)
    view = await platform.view(sale)
    figures = f"{view['booked']} bookings of {TICKETS} tickets; the counter says that {view['counter_says']} are sold"
    print(figures)
    assert view["booked"] == crowd.accepted, figures
    assert view["booked"] > TICKETS, figures
    assert view["oversold"] == view["booked"] - TICKETS, figures
