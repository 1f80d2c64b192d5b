"""What a purchase can come to. A refusal is an outcome, not an error: nothing went wrong, and nothing was taken."""

from dataclasses import dataclass

from app.sales.model import ReservationId


@dataclass(slots=True)  # not frozen, as Purchase
class Reserved:
    """A ticket is promised. `replayed`: the same key had won before, and this is that answer again."""

    reservation: ReservationId
    quantity: int
    replayed: bool = False


@dataclass(slots=True)
class SoldOut:
    """Fewer tickets are left (`remaining`) than were asked for."""

    remaining: int


@dataclass(frozen=True, slots=True)
class CustomerLimitReached:
    """The customer holds `held` tickets of this round, and `limit` is the most."""

    held: int
    limit: int


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key already bought another quantity (`quantity`) for this customer."""

    quantity: int


@dataclass(frozen=True, slots=True)
class NotOpen:
    """`why` is scheduled, paused or closed; `opens_in_seconds` is known only while scheduled."""

    why: str
    opens_in_seconds: float | None = None


Outcome = Reserved | SoldOut | CustomerLimitReached | KeyReused | NotOpen
