"""The outcomes of a purchase. A refusal is an outcome, not an error: nothing went wrong, and nothing was taken."""

from dataclasses import dataclass

from app.sales.model import ReservationId


@dataclass(slots=True)  # not frozen, for the reason given at app.sales.model.Purchase
class Reserved:
    """Tickets are promised. `replayed`: the same key had won before, and this repeats its answer."""

    reservation: ReservationId
    quantity: int
    replayed: bool = False


@dataclass(slots=True)
class SoldOut:
    """Fewer tickets are left (`remaining`) than the purchase asked for."""

    remaining: int


@dataclass(frozen=True, slots=True)
class CustomerLimitReached:
    """The purchase would exceed `limit` tickets per customer; the customer holds `held` tickets of this round."""

    held: int
    limit: int


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The customer has used the same key for a purchase of another quantity (`quantity`)."""

    quantity: int


@dataclass(frozen=True, slots=True)
class NotOpen:
    """The sale is not open. `reason`: scheduled, paused or closed. `opens_in_seconds`: known only while scheduled."""

    reason: str
    opens_in_seconds: float | None = None


Outcome = Reserved | SoldOut | CustomerLimitReached | KeyReused | NotOpen
