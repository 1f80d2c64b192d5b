"""The status of a reservation, wherever its order is at the moment."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import TemporarilyUnavailable
from app.ledger.receipts import ReceiptRepository
from app.ledger.reservations import ReservationRepository
from app.ledger.sales import SaleRepository
from app.sales.acceptance import Acceptance
from app.sales.model import Purchase, ReservationId, SaleTerms, UnknownReservation
from app.services.catalog import SaleCatalog
from app.services.reservations import Reservations, ReservationView
from tests.services.scripted_strategy import ScriptedStrategy
from tests.support.rows import add_booking, reservation_id, set_aside


@pytest.fixture
async def reservations(
    engine: AsyncEngine, sales: SaleRepository, catalog: SaleCatalog, scripted: ScriptedStrategy
) -> Reservations:
    await sales.create(SaleTerms(name="drop", strategy=scripted.name, stock=10), guarded=True)
    return Reservations(ReservationRepository(engine), ReceiptRepository(engine), catalog)


@pytest.fixture
def waiting(scripted: ScriptedStrategy) -> str:
    """Return a reservation whose order waits in the stream."""
    reservation = ReservationId.parse(reservation_id())
    scripted.pending.add(reservation)
    return str(reservation)


@pytest.mark.parametrize("status", ["booked", "rejected", "cancelled"])
async def test_the_ledger_has_the_last_word(
    reservations: Reservations, engine: AsyncEngine, waiting: str, status: str
) -> None:
    await add_booking(engine, reservation_id=waiting, status=status)
    assert await reservations.status(waiting) == ReservationView(waiting, "drop", 1, status)


async def test_a_duplicate_names_the_first_booking(reservations: Reservations, engine: AsyncEngine) -> None:
    first = await add_booking(engine)
    second = await add_booking(engine, status="duplicate", alias_of=first)
    assert await reservations.status(second) == ReservationView(second, "drop", 1, "duplicate", first)


async def test_the_ledger_answers_while_the_strategy_is_away(
    reservations: Reservations, engine: AsyncEngine, scripted: ScriptedStrategy
) -> None:
    scripted.away = True
    assert (await reservations.status(await add_booking(engine))).status == "booked"


async def test_an_order_in_the_stream_is_pending(reservations: Reservations, waiting: str) -> None:
    assert (await reservations.status(waiting)).status == "pending"


async def test_an_order_that_is_set_aside_is_still_owed(reservations: Reservations, engine: AsyncEngine) -> None:
    name = reservation_id()
    await set_aside(engine, name)
    assert (await reservations.status(name)).status == "pending"


async def test_an_order_that_is_booked_while_it_is_looked_for_is_found(
    reservations: Reservations, engine: AsyncEngine, scripted: ScriptedStrategy
) -> None:
    name = reservation_id()
    scripted.while_asked_for_pending = lambda: add_booking(engine, reservation_id=name)
    assert (await reservations.status(name)).status == "booked"


async def test_an_order_of_which_only_a_receipt_is_left_is_lost(
    reservations: Reservations, engine: AsyncEngine
) -> None:
    reservation = ReservationId.parse(reservation_id())
    purchase = Purchase("drop", "ada", "key", 1, reservation.nonce)
    await ReceiptRepository(engine).keep([Acceptance(1, 1, reservation, purchase)])
    assert (await reservations.status(str(reservation))).status == "lost"


async def test_what_nobody_remembers_is_unknown(reservations: Reservations) -> None:
    for name in (reservation_id(), reservation_id(sale="nothing"), "nonsense", ""):
        with pytest.raises(UnknownReservation):
            await reservations.status(name)


async def test_a_status_is_unavailable_while_the_strategy_is_away(
    reservations: Reservations, waiting: str, scripted: ScriptedStrategy
) -> None:
    scripted.away = True
    with pytest.raises(TemporarilyUnavailable):
        await reservations.status(waiting)
