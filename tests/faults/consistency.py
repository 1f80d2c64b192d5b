"""The check after every test of faults: the buyers' answers, the ledger and the gate must agree."""

from collections import Counter
from collections.abc import Iterable

from app.blasts.load.result import ACCEPTED, PurchaseRecord
from app.sales.model import ReservationId
from tests.support.platform import Platform, View
from tests.support.until import until

BOOKINGS = """
    SELECT reservation_id, round, customer, idempotency_key AS key, quantity, status, alias_of
    FROM bookings WHERE sale = :sale
"""
INVENTORY = "SELECT round, stock, booked FROM inventory WHERE sale = :sale"


async def assert_consistent(
    platform: Platform, sale: str, records: Iterable[PurchaseRecord], *, lost: int | None = 0
) -> View:
    """Wait until the sale has settled, check it against the buyers' answers, and return its view.

    Exactly `lost` of the promised reservations must be missing, or any number if it is None. Each missing reservation
    must be named as lost.
    """
    view = await platform.settled(sale)
    identity = view["identity"]
    assert identity["stock"] == identity["remaining"] + identity["set_aside"] + identity["booked"]
    assert (view["oversold"], view["undersold"], view["set_aside"]) == (0, 0, 0)
    assert await platform.redis.xlen(platform.gate.keys(sale).orders) == 0
    await assert_ledger_agrees(platform, sale, records, lost=lost)
    return view


async def assert_ledger_agrees(
    platform: Platform, sale: str, records: Iterable[PurchaseRecord], *, lost: int | None = 0
) -> None:
    """Check the ledger against the buyers' answers. Unlike `assert_consistent`, this holds for ended sales too."""
    records = list(records)
    rows = {row.reservation_id: row for row in await platform.rows(BOOKINGS, sale=sale)}
    booked = [row for row in rows.values() if row.status == "booked"]

    # In every round no order is booked twice, and no more tickets are booked than there are.
    buyers = Counter((row.round, row.customer, row.key) for row in booked)
    assert [buyer for buyer, bookings in buyers.items() if bookings > 1] == []
    for inventory in await platform.rows(INVENTORY, sale=sale):
        tickets = sum(row.quantity for row in booked if row.round == inventory.round)
        assert tickets == inventory.booked <= inventory.stock

    # A reservation is booked, or is an alias of the same buyer's booking, or is lost and named as lost.
    promised = {each.reservation_id for each in records if each.outcome == ACCEPTED and each.reservation_id}
    missing = {id_ for id_ in promised if id_ not in rows or not is_honoured(id_, rows)}
    assert lost in (None, len(missing)), (
        f"{len(missing)} of {len(promised)} accepted reservations are not booked, not {lost}"
    )
    for id_ in missing:
        await until(lambda id_=id_: has_status(platform, id_, "lost"))  # type: ignore[misc]  # a default binds it

    # A buyer who was only ever refused has no booking.
    winners = {(each.customer, each.key) for each in records if each.outcome == ACCEPTED}
    refused = {(each.customer, each.key) for each in records if 400 <= each.status < 500} - winners
    assert refused.isdisjoint((row.customer, row.key) for row in booked)


def is_honoured(reservation_id: str, rows: dict[str, object]) -> bool:
    row = rows[reservation_id]
    alias_of = getattr(row, "alias_of", None)
    first = rows[alias_of] if alias_of else row
    return getattr(first, "status", None) == "booked"


async def has_status(platform: Platform, reservation_id: str, status: str) -> bool:
    """Return whether the API reports this status.

    A receipt may be written a second after the recount; until then the reservation is unknown.
    """
    response = await platform.ask("GET", f"/reservations/{reservation_id}")
    return response.status_code == 200 and response.json()["status"] == status


def round_of(record: PurchaseRecord) -> int:
    assert record.reservation_id is not None
    return ReservationId.parse(record.reservation_id).round
