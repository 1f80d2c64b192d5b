"""Receipts record the reservations that buyers were promised, and so show which ones are lost."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.receipts import MAX_NAMED, PAGE, LostOrders, Receipt, ReceiptRepository
from app.ledger.sales import SaleRepository
from app.sales.acceptance import Acceptance
from app.sales.model import Purchase, ReservationId
from tests.support.rows import add_booking, reservation_id, set_aside, terms


@pytest.fixture
async def receipts(engine: AsyncEngine, sales: SaleRepository) -> ReceiptRepository:
    await sales.create(terms(), guarded=True)
    return ReceiptRepository(engine)


def acceptance(number: int, quantity: int = 1, round_: int = 1) -> Acceptance:
    reservation = ReservationId.parse(reservation_id("drop", round_, number))
    purchase = Purchase("drop", f"customer-{number}", "key", quantity, reservation.nonce)
    return Acceptance(1, number, reservation, purchase)


async def test_a_receipt_is_kept_once(receipts: ReceiptRepository) -> None:
    first = acceptance(1, quantity=2)
    await receipts.keep([first])
    await receipts.keep([first, first])
    name = str(first.reservation)
    assert await receipts.get(name) == Receipt(name, "drop", 1, 1, 1, "customer-1", "key", 2)
    assert await receipts.lost("drop", 1) == LostOrders(1, 2, (name,))


async def test_more_than_a_page_is_kept(receipts: ReceiptRepository) -> None:
    await receipts.keep([acceptance(number) for number in range(1, PAGE + 3)])
    lost = await receipts.lost("drop", 1)
    assert (lost.orders, lost.tickets, len(lost.named)) == (PAGE + 2, PAGE + 2, MAX_NAMED)
    assert lost.named[0] == str(acceptance(1).reservation)


async def test_lost_is_what_is_neither_booked_nor_set_aside_nor_in_the_stream(
    receipts: ReceiptRepository, engine: AsyncEngine
) -> None:
    promised = [acceptance(number, quantity=number) for number in range(1, 8)]
    names = [str(promise.reservation) for promise in promised]
    await receipts.keep([*promised, acceptance(8, round_=2)])
    await add_booking(engine, reservation_id=names[0])
    await add_booking(engine, reservation_id=names[1], status="rejected")
    await add_booking(engine, reservation_id=names[2], status="duplicate", alias_of=names[0])
    await set_aside(engine, names[3])
    await set_aside(engine, names[4], given_up=False)
    assert await receipts.lost("drop", 1, in_stream=[names[5]]) == LostOrders(2, 5 + 7, (names[4], names[6]))


async def test_without_receipts_nothing_is_lost(receipts: ReceiptRepository) -> None:
    await receipts.keep([])
    assert await receipts.lost("drop", 1) == LostOrders(0, 0)
    assert await receipts.get(reservation_id()) is None
