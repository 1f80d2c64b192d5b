"""The nouns of a sale, and the limits of what may be named."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NewType

from app.errors import AtomicTicketsError

SaleName = NewType("SaleName", str)

SALE_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"  # a DNS label, as a FlashSale resource needs it
CUSTOMER = r"^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,63}$"  # no blank: the gate joins customer and key with one
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"  # visible ASCII, as in the IETF draft; 255 as Stripe's
MAX_STOCK = 100_000_000
MAX_QUANTITY = 100
THINK_MS, MAX_THINK_MS = 50, 10_000
RESERVATION_ID = re.compile(
    r"^(?P<sale>[a-z0-9-]{1,63})\.(?P<round>\d{1,9})\.(?P<entry>\d{1,19}-\d{1,19})\.(?P<nonce>[0-9a-f]{16})$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleTerms:
    """What a user asks for. Times are aware and in UTC; `think_ms` is the pause between read and write,
    where the strategy has one. `think_asked`: False where that is the platform's own, since nobody has asked for one.
    """

    name: str
    strategy: str
    stock: int
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    customer_limit: int | None = None
    think_ms: int = THINK_MS
    think_asked: bool = field(default=True, compare=False)

    def beside(self, present: "SaleTerms") -> "SaleTerms":
        """What is asked for where there is a sale of the terms `present`. A pause that nobody asks for is that sale's:
        the platform's own was another, perhaps, when its round began."""
        return self if self.think_asked else replace(self, think_ms=present.think_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A sale as the ledger knows it: the terms, and where it is in its life.

    `owner_*` name the resource that it follows, and the `spec.round` and generation of it that it last followed.
    """

    terms: SaleTerms
    round: int
    epoch: int
    paused: bool = False
    managed_by: str = "http"
    owner_uid: str | None = None
    owner_round: int | None = None
    owner_generation: int | None = None
    created_at: datetime
    ended_at: datetime | None = None
    removed_at: datetime | None = None

    @property
    def name(self) -> str:
        return self.terms.name


@dataclass(slots=True)  # made for every request: frozen, its making would cost 0.4 us more (of 46)
class Purchase:
    """One attempt to buy. `nonce`: 16 hex digits, new for each HTTP request; it tells a resend from a replay."""

    sale: str
    customer: str
    key: str
    quantity: int
    nonce: str
    traceparent: str = ""


@dataclass(slots=True, unsafe_hash=True)  # not frozen, as Purchase
class ReservationId:
    """`<sale>.<round>.<stream entry id>.<nonce>`: entry ids may repeat after a rollback of Redis, nonces don't."""

    sale: str
    round: int
    entry: str
    nonce: str

    def __str__(self) -> str:
        return f"{self.sale}.{self.round}.{self.entry}.{self.nonce}"

    @classmethod
    def parse(cls, text: str) -> "ReservationId":
        """Raises UnknownReservation where `text` can't be one of ours."""
        match = RESERVATION_ID.fullmatch(text)
        if match is None:
            raise UnknownReservation(f"No reservation has the id {text[:200]!r}.")
        return cls(match["sale"], int(match["round"]), match["entry"], match["nonce"])


class UnknownSale(AtomicTicketsError):
    status, slug, title = 404, "unknown-sale", "Unknown Sale"


class UnknownReservation(AtomicTicketsError):
    status, slug, title = 404, "unknown-reservation", "Unknown Reservation"
