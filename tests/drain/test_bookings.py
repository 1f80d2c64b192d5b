"""The drain's write of a batch of orders to the real ledger."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.ledger import bookings
from app.ledger.booking_plan import BookingStatus, Row
from app.ledger.bookings import Booked, UnknownRound, book
from app.sales.order import Order
from tests.support.sale_stream import SaleStream


async def write(sale_stream: SaleStream, orders: list[Order]) -> Booked:
    async with sale_stream.engine.begin() as connection:
        return await book(connection, sale_stream.name, orders)


async def test_what_fits_is_booked_and_the_rest_rejected(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    orders = [sale_stream.unwritten() for _ in range(13)]
    assert await write(sale_stream, orders) == Booked(booked=10, rejected=3)
    assert await sale_stream.booked() == 10
    rows = await sale_stream.rows(
        "SELECT number FROM bookings WHERE sale = :sale AND status = 'rejected' ORDER BY number"
    )
    assert [row.number for row in rows] == [11, 12, 13]


async def test_exactly_the_stock_is_booked_whole(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    assert await write(sale_stream, [sale_stream.unwritten(quantity=5) for _ in range(2)]) == Booked(booked=2)
    assert await sale_stream.booked() == 10


async def test_an_unguarded_round_books_all(sale_stream: SaleStream) -> None:
    await sale_stream.open(1, guarded=False)
    assert await write(sale_stream, [sale_stream.unwritten() for _ in range(3)]) == Booked(booked=3)
    assert await sale_stream.booked() == 3


async def test_a_batch_delivered_ten_times_is_booked_once(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    orders = [sale_stream.unwritten(quantity=2) for _ in range(6)]
    assert await write(sale_stream, orders) == Booked(booked=5, rejected=1)
    for _ in range(9):
        assert await write(sale_stream, orders) == Booked(known=6)
    assert await sale_stream.booked() == 10
    assert await sale_stream.statuses() == {"booked": 5, "rejected": 1}


async def test_redelivered_orders_take_no_room_from_new_ones(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    before = [sale_stream.unwritten() for _ in range(8)]
    await write(sale_stream, before)
    fresh = [sale_stream.unwritten() for _ in range(3)]
    assert await write(sale_stream, [*before, *fresh]) == Booked(booked=2, rejected=1, known=8)
    assert await sale_stream.booked() == 10


async def test_without_looking_for_known_orders_the_same_batch_rejects_what_fits(
    sale_stream: SaleStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check for known orders, the plan treats all orders as new, and conflicts are merely skipped."""
    await sale_stream.open(10)
    before = [sale_stream.unwritten() for _ in range(8)]
    await write(sale_stream, before)
    fresh = [sale_stream.unwritten() for _ in range(3)]
    monkeypatch.setattr(bookings, "sum", lambda _: len(before) + len(fresh), raising=False)
    await write(sale_stream, [*before, *fresh])
    assert await sale_stream.statuses() == {"booked": 8, "rejected": 3}  # two tickets are left unsold


async def test_the_same_key_under_another_id_is_an_alias_without_a_ticket(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    first = sale_stream.unwritten(customer="ada", key="k")
    await write(sale_stream, [first])
    again = sale_stream.unwritten(customer="ada", key="k")
    other = sale_stream.unwritten(customer="ada", key="k2")
    assert await write(sale_stream, [again, other]) == Booked(booked=1, duplicates=1)
    assert await write(sale_stream, [again]) == Booked(known=1)
    rows = await sale_stream.rows(
        "SELECT reservation_id, alias_of FROM bookings WHERE sale = :sale AND status = 'duplicate'"
    )
    assert [tuple(row) for row in rows] == [(again.reservation_id, first.reservation_id)]
    assert await sale_stream.booked() == 2


async def test_a_cancelled_booking_keeps_its_key(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    first = sale_stream.unwritten(customer="ada", key="k")
    await write(sale_stream, [first])
    async with sale_stream.engine.begin() as connection:
        await connection.execute(text("UPDATE bookings SET status = 'cancelled'"))
    assert await write(sale_stream, [sale_stream.unwritten(customer="ada", key="k")]) == Booked(duplicates=1)


async def test_a_batch_around_a_reset_books_each_order_to_its_round(sale_stream: SaleStream) -> None:
    await sale_stream.open(1)
    old = [sale_stream.unwritten() for _ in range(2)]
    sale_stream.round, sale_stream.epoch = 2, 2
    await sale_stream.start_round(5)
    new = [sale_stream.unwritten() for _ in range(2)]
    assert await write(sale_stream, [old[0], new[0], old[1], new[1]]) == Booked(booked=3, rejected=1)
    rows = await sale_stream.rows("SELECT round, booked, recount FROM inventory WHERE sale = :sale ORDER BY round")
    assert [tuple(row) for row in rows] == [(1, 1, False), (2, 2, False)]


async def test_an_order_of_an_older_epoch_is_booked_and_asks_for_a_recount(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    orders = [sale_stream.unwritten() for _ in range(2)]
    async with sale_stream.engine.begin() as connection:
        await connection.execute(text("UPDATE inventory SET epoch = 2"))
    assert await write(sale_stream, orders) == Booked(booked=2)
    assert [row.recount for row in await sale_stream.rows("SELECT recount FROM inventory WHERE sale = :sale")] == [True]


async def test_a_redelivery_after_a_repair_asks_for_no_recount(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    orders = [sale_stream.unwritten() for _ in range(2)]
    await write(sale_stream, orders)
    async with sale_stream.engine.begin() as connection:
        await connection.execute(text("UPDATE inventory SET epoch = 2"))
    assert await write(sale_stream, orders) == Booked(known=2)
    assert [row.recount for row in await sale_stream.rows("SELECT recount FROM inventory WHERE sale = :sale")] == [
        False
    ]


async def test_a_round_without_inventory_is_named(sale_stream: SaleStream) -> None:
    await sale_stream.open(10)
    with pytest.raises(UnknownRound, match="in round 7"):
        await write(sale_stream, [sale_stream.unwritten(), sale_stream.unwritten(round=7)])
    assert await sale_stream.statuses() == {}


async def test_the_check_constraint_is_the_last_guard(sale_stream: SaleStream, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a plan that books every order, Postgres still refuses to oversell."""
    await sale_stream.open(10)
    monkeypatch.setattr(bookings, "plan", lambda orders, **_: [Row(order, BookingStatus.BOOKED) for order in orders])
    with pytest.raises(IntegrityError, match="ck_inventory_never_oversold"):
        await write(sale_stream, [sale_stream.unwritten() for _ in range(11)])
    assert await sale_stream.booked() == 0
