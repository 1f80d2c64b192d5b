"""What a purchase in the ledger leaves behind under a strategy that races: the windows from its reads to its commit."""

import time
from collections.abc import Iterator

from app.ledger.purchases import Seen
from app.sales.attempt import Attempt, Hazard
from app.sales.model import Purchase
from app.sales.outcomes import Reserved


def windows(
    purchase: Purchase, seen: Seen, reserved: Reserved, *, strategy: str, hazard: Hazard, wrote: tuple[int, str]
) -> Iterator[Attempt]:
    """Of a purchase that was committed just now: at the stock, and at the customer's limit where he has one.

    A purchase that was refused wrote nothing and is no half of a pair. `wrote`: tickets and row version, as written.
    """
    wrote_at = time.time()
    value_written, version_written = wrote
    yield Attempt(
        sale=purchase.sale,
        round=seen.round,
        strategy=strategy,
        hazard=hazard,
        nonce=purchase.nonce,
        quantity=purchase.quantity,
        version_read=seen.row_version,
        value_read=seen.remaining,
        read_at=seen.read_at,
        version_written=version_written,
        value_written=value_written,
        wrote_at=wrote_at,
        reservation_id=str(reserved.reservation),
    )
    if seen.held is not None:
        # Its version is how many bookings were seen: they only grow, so that whoever saw as many saw the same ones.
        yield Attempt(
            sale=purchase.sale,
            round=seen.round,
            strategy=strategy,
            hazard=Hazard.WRITE_SKEW,
            guards=f"customer:{purchase.customer}",
            nonce=purchase.nonce,
            quantity=purchase.quantity,
            version_read=str(seen.held.bookings),
            value_read=seen.held.tickets,
            read_at=seen.held.read_at,
            version_written=str(seen.held.bookings + 1),
            value_written=seen.held.tickets + purchase.quantity,
            wrote_at=wrote_at,
            reservation_id=str(reserved.reservation),
        )
