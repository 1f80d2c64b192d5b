"""The drain's write of a batch of orders to the real ledger."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.ledger import bookings
from app.ledger.booking_plan import BookingStatus, Row
from app.ledger.bookings import Booked, UnknownRound, book
from app.sales.order import Order
from tests.support.stall import Stall


async def write(stall: Stall, orders: list[Order]) -> Booked:
    async with stall.engine.begin() as connection:
        return await book(connection, stall.name, orders)


async def test_what_fits_is_booked_and_the_rest_rejected(stall: Stall) -> None:
    await stall.open(10)
    orders = [stall.unwritten() for _ in range(13)]
    assert await write(stall, orders) == Booked(booked=10, rejected=3)
    assert await stall.booked() == 10
    rows = await stall.rows("SELECT number FROM bookings WHERE sale = :sale AND status = 'rejected' ORDER BY number")
    assert [row.number for row in rows] == [11, 12, 13]


async def test_exactly_the_stock_is_booked_whole(stall: Stall) -> None:
    await stall.open(10)
    assert await write(stall, [stall.unwritten(quantity=5) for _ in range(2)]) == Booked(booked=2)
    assert await stall.booked() == 10


async def test_an_unguarded_round_books_all(stall: Stall) -> None:
    await stall.open(1, guarded=False)
    assert await write(stall, [stall.unwritten() for _ in range(3)]) == Booked(booked=3)
    assert await stall.booked() == 3


async def test_a_batch_delivered_ten_times_is_booked_once(stall: Stall) -> None:
    await stall.open(10)
    orders = [stall.unwritten(quantity=2) for _ in range(6)]
    assert await write(stall, orders) == Booked(booked=5, rejected=1)
    for _ in range(9):
        assert await write(stall, orders) == Booked(known=6)
    assert await stall.booked() == 10
    assert await stall.statuses() == {"booked": 5, "rejected": 1}


async def test_redelivered_orders_take_no_room_from_new_ones(stall: Stall) -> None:
    await stall.open(10)
    before = [stall.unwritten() for _ in range(8)]
    await write(stall, before)
    fresh = [stall.unwritten() for _ in range(3)]
    assert await write(stall, [*before, *fresh]) == Booked(booked=2, rejected=1, known=8)
    assert await stall.booked() == 10


async def test_without_looking_for_known_orders_the_same_batch_rejects_what_fits(
    stall: Stall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check for known orders, the plan treats all orders as new, and conflicts are merely skipped."""
    await stall.open(10)
    before = [stall.unwritten() for _ in range(8)]
    await write(stall, before)
    fresh = [stall.unwritten() for _ in range(3)]
    monkeypatch.setattr(bookings, "sum", lambda _: len(before) + len(fresh), raising=False)
    await write(stall, [*before, *fresh])
    assert await stall.statuses() == {"booked": 8, "rejected": 3}  # two tickets are left unsold


async def test_the_same_key_under_another_id_is_an_alias_without_a_ticket(stall: Stall) -> None:
    await stall.open(10)
    first = stall.unwritten(customer="ada", key="k")
    await write(stall, [first])
    again = stall.unwritten(customer="ada", key="k")
    other = stall.unwritten(customer="ada", key="k2")
    assert await write(stall, [again, other]) == Booked(booked=1, duplicates=1)
    assert await write(stall, [again]) == Booked(known=1)
    rows = await stall.rows("SELECT reservation_id, alias_of FROM bookings WHERE sale = :sale AND status = 'duplicate'")
    assert [tuple(row) for row in rows] == [(again.reservation_id, first.reservation_id)]
    assert await stall.booked() == 2


async def test_a_cancelled_booking_keeps_its_key(stall: Stall) -> None:
    await stall.open(10)
    first = stall.unwritten(customer="ada", key="k")
    await write(stall, [first])
    async with stall.engine.begin() as connection:
        await connection.execute(text("UPDATE bookings SET status = 'cancelled'"))
    assert await write(stall, [stall.unwritten(customer="ada", key="k")]) == Booked(duplicates=1)


async def test_a_batch_around_a_reset_books_each_order_to_its_round(stall: Stall) -> None:
    await stall.open(1)
    old = [stall.unwritten() for _ in range(2)]
    stall.round, stall.epoch = 2, 2
    await stall.start_round(5)
    new = [stall.unwritten() for _ in range(2)]
    assert await write(stall, [old[0], new[0], old[1], new[1]]) == Booked(booked=3, rejected=1)
    rows = await stall.rows("SELECT round, booked, recount FROM inventory WHERE sale = :sale ORDER BY round")
    assert [tuple(row) for row in rows] == [(1, 1, False), (2, 2, False)]


async def test_an_order_of_an_older_epoch_is_booked_and_asks_for_a_recount(stall: Stall) -> None:
    await stall.open(10)
    orders = [stall.unwritten() for _ in range(2)]
    async with stall.engine.begin() as connection:
        await connection.execute(text("UPDATE inventory SET epoch = 2"))
    assert await write(stall, orders) == Booked(booked=2)
    assert [row.recount for row in await stall.rows("SELECT recount FROM inventory WHERE sale = :sale")] == [True]


async def test_a_redelivery_after_a_repair_asks_for_no_recount(stall: Stall) -> None:
    await stall.open(10)
    orders = [stall.unwritten() for _ in range(2)]
    await write(stall, orders)
    async with stall.engine.begin() as connection:
        await connection.execute(text("UPDATE inventory SET epoch = 2"))
    assert await write(stall, orders) == Booked(known=2)
    assert [row.recount for row in await stall.rows("SELECT recount FROM inventory WHERE sale = :sale")] == [False]


async def test_a_round_without_inventory_is_named(stall: Stall) -> None:
    await stall.open(10)
    with pytest.raises(UnknownRound, match="in round 7"):
        await write(stall, [stall.unwritten(), stall.unwritten(round=7)])
    assert await stall.statuses() == {}


async def test_the_check_constraint_is_the_last_guard(stall: Stall, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a plan that books every order, Postgres still refuses to oversell."""
    await stall.open(10)
    monkeypatch.setattr(bookings, "plan", lambda orders, **_: [Row(order, BookingStatus.BOOKED) for order in orders])
    with pytest.raises(IntegrityError, match="ck_inventory_never_oversold"):
        await write(stall, [stall.unwritten() for _ in range(11)])
    assert await stall.booked() == 0
