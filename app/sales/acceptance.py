"""An acceptance: what a buyer was told."""

from dataclasses import dataclass

from app.sales.model import Purchase, ReservationId


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An acceptance that went out to a buyer."""

    epoch: int
    number: int
    reservation: ReservationId
    purchase: Purchase
