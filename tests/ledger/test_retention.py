"""Old receipts and old ended blasts are removed, in bounded batches, and everything else stays."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.blasts import BlastRepository
from app.ledger.receipts import ReceiptRepository
from app.ledger.retention import prune
from app.ledger.sales import SaleRepository
from app.sales.acceptance import Acceptance
from app.sales.model import Purchase, ReservationId
from tests.support.rows import add_booking, reservation_id, terms

AGED = (
    "UPDATE receipts SET kept_at = kept_at - interval '31 days' WHERE number <= 3",
    "UPDATE blasts SET finished_at = finished_at - interval '31 days' WHERE quantity = 1",
    "UPDATE bookings SET booked_at = booked_at - interval '31 days'",
)


async def count(engine: AsyncEngine, what: str) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {what}"))).scalar_one())  # noqa: S608  our own names


@pytest.fixture
async def aged(engine: AsyncEngine, sales: SaleRepository) -> None:
    """Write five receipts, three of them old, and four blasts.

    Of the blasts, a queued, a running and an ended one are old, and one ended today.
    """
    await sales.create(terms(), guarded=True)
    await add_booking(engine)
    reservations = [ReservationId.parse(reservation_id()) for _ in range(5)]
    await ReceiptRepository(engine).keep(
        [
            Acceptance(1, number, each, Purchase("drop", "ada", "k", 1, each.nonce))
            for number, each in enumerate(reservations, 1)
        ]
    )
    blasts = BlastRepository(engine)
    for quantity in (1, 2, 1, 1):
        await blasts.create("drop", requests=1, concurrency=1, customers=None, quantity=quantity, retries=0)
    for _ in range(2):
        claimed = await blasts.claim("runner")
        assert claimed is not None
        await blasts.finish(claimed.id, "finished", {})
    await blasts.claim("runner")
    async with engine.begin() as connection:
        for statement in AGED:
            await connection.execute(text(statement))


@pytest.mark.usefixtures("aged")
async def test_only_what_is_old_and_done_with_goes(engine: AsyncEngine) -> None:
    assert await prune(engine, 30) == 4
    assert await prune(engine, 30) == 0
    assert await count(engine, "receipts") == 2
    assert await count(engine, "blasts WHERE state = 'finished'") == 1
    assert await count(engine, "blasts WHERE state IN ('queued', 'running')") == 2
    assert await count(engine, "bookings") == 1


@pytest.mark.usefixtures("aged")
async def test_a_batch_is_bounded(engine: AsyncEngine) -> None:
    assert [await prune(engine, 30, batch=2) for _ in range(3)] == [3, 1, 0]


@pytest.mark.usefixtures("aged")
async def test_a_longer_retention_keeps_it(engine: AsyncEngine) -> None:
    assert await prune(engine, 32) == 0
