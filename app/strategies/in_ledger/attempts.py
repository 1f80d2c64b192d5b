"""The attempts that a purchase leaves as evidence under a strategy that races: from its reads to its commit."""

import time
from collections.abc import Iterator

from app.ledger.purchases import SaleState
from app.sales.attempt import Attempt, Hazard
from app.sales.model import Purchase
from app.sales.outcomes import Reserved


def attempts_of(
    purchase: Purchase, state: SaleState, reserved: Reserved, *, strategy: str, hazard: Hazard, wrote: tuple[int, str]
) -> Iterator[Attempt]:
    """Yield the attempts of a purchase that was committed just now.

    One is about the stock. If the sale has a limit, another one is about the customer's tickets.

    A refused purchase wrote nothing and is half of no pair, so it leaves no attempt. `wrote`: the tickets left and the
    row version, as written.
    """
    wrote_at = time.time()
    value_written, version_written = wrote
    yield Attempt(
        sale=purchase.sale,
        round=state.round,
        strategy=strategy,
        hazard=hazard,
        nonce=purchase.nonce,
        quantity=purchase.quantity,
        version_read=state.row_version,
        value_read=state.remaining,
        read_at=state.read_at,
        version_written=version_written,
        value_written=value_written,
        wrote_at=wrote_at,
        reservation_id=str(reserved.reservation),
    )
    if state.held is not None:
        # The version is the number of bookings seen. Bookings are only added, so an equal number means the same
        # bookings.
        yield Attempt(
            sale=purchase.sale,
            round=state.round,
            strategy=strategy,
            hazard=Hazard.WRITE_SKEW,
            guards=f"customer:{purchase.customer}",
            nonce=purchase.nonce,
            quantity=purchase.quantity,
            version_read=str(state.held.bookings),
            value_read=state.held.tickets,
            read_at=state.held.read_at,
            version_written=str(state.held.bookings + 1),
            value_written=state.held.tickets + purchase.quantity,
            wrote_at=wrote_at,
            reservation_id=str(reserved.reservation),
        )
