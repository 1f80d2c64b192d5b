"""What must be true after every story, whatever has happened in it: told buyers, the ledger and the gate agree."""

from collections import Counter
from collections.abc import Iterable

from app.blasts.load.result import ACCEPTED, Told
from app.sales.model import ReservationId
from tests.support.platform import Platform, View

BOOKINGS = """
    SELECT reservation_id, round, customer, idempotency_key AS key, quantity, status, alias_of
    FROM bookings WHERE sale = :sale
"""
INVENTORY = "SELECT round, stock, booked FROM inventory WHERE sale = :sale"


async def verdict(platform: Platform, sale: str, told: Iterable[Told], *, lost: int | None = 0) -> View:
    """Waits until the sale has settled, then checks it against what buyers were told. Returns how the sale looks.

    Exactly `lost` of the reservations that buyers were told of may be missing (None: nobody can say how many), and each
    of them is named as lost.
    """
    view = await platform.settled(sale)
    identity = view["identity"]
    assert identity["stock"] == identity["remaining"] + identity["set_aside"] + identity["booked"]
    assert (view["oversold"], view["undersold"], view["set_aside"]) == (0, 0, 0)
    assert await platform.redis.xlen(platform.gate.keys(sale).orders) == 0
    await check_ledger(platform, sale, told, lost=lost)
    return view


async def check_ledger(platform: Platform, sale: str, told: Iterable[Told], *, lost: int | None = 0) -> None:
    """The part that holds of ended sales too."""
    told = list(told)
    rows = {row.reservation_id: row for row in await platform.rows(BOOKINGS, sale=sale)}
    booked = [row for row in rows.values() if row.status == "booked"]

    # Never twice, and never more than there is, in any round.
    buyers = Counter((row.round, row.customer, row.key) for row in booked)
    assert [buyer for buyer, bookings in buyers.items() if bookings > 1] == []
    for inventory in await platform.rows(INVENTORY, sale=sale):
        tickets = sum(row.quantity for row in booked if row.round == inventory.round)
        assert tickets == inventory.booked <= inventory.stock

    # Nothing missing: a reservation is booked, or an alias of the same buyer's booking, or lost and named so.
    promised = {each.reservation_id for each in told if each.outcome == ACCEPTED and each.reservation_id}
    missing = {id_ for id_ in promised if id_ not in rows or not is_honoured(id_, rows)}
    assert lost in (None, len(missing)), (
        f"{len(missing)} of {len(promised)} told reservations are not booked, not {lost}"
    )
    for id_ in missing:
        await platform.wait_until(lambda id_=id_: is_said_to_be(platform, id_, "lost"))  # type: ignore[misc]  # a default binds it

    # A buyer who was refused, and only refused, has nothing.
    winners = {(each.customer, each.key) for each in told if each.outcome == ACCEPTED}
    refused = {(each.customer, each.key) for each in told if 400 <= each.status < 500} - winners
    assert refused.isdisjoint((row.customer, row.key) for row in booked)


def is_honoured(reservation_id: str, rows: dict[str, object]) -> bool:
    row = rows[reservation_id]
    alias_of = getattr(row, "alias_of", None)
    first = rows[alias_of] if alias_of else row
    return getattr(first, "status", None) == "booked"


async def is_said_to_be(platform: Platform, reservation_id: str, status: str) -> bool:
    """Receipts may come a second after the recount: until then the reservation is unknown."""
    response = await platform.ask("GET", f"/reservations/{reservation_id}")
    return response.status_code == 200 and response.json()["status"] == status


def round_of(told: Told) -> int:
    assert told.reservation_id is not None
    return ReservationId.parse(told.reservation_id).round
