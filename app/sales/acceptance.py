"""An acceptance: the promise of tickets that an API process gave a buyer."""

from dataclasses import dataclass

from app.sales.model import Purchase, ReservationId


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An acceptance that was sent to a buyer.

    `epoch`, `number`: the epoch of the sale, and the number that the gate gave the order in it.
    `reservation`, `purchase`: the promised reservation, and the purchase that it answers.
    """

    epoch: int
    number: int
    reservation: ReservationId
    purchase: Purchase
