"""One entry of a sale's stream, as the gate wrote it and as the ledger needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from app.sales.model import MAX_QUANTITY, RESERVATION_ID, ReservationId

MAX_INTEGER = 2**31 - 1
MAX_BIGINT = 2**63 - 1


@dataclass(frozen=True)
class Order:
    """An accepted purchase: `quantity` tickets, of which `ticket` is the first. The gate gave it (`epoch`, `number`).

    The class has no slots, because the reservation's id is needed several times and cached.
    """

    id: ReservationId
    epoch: int
    number: int
    customer: str
    key: str
    quantity: int
    ticket: int
    traceparent: str = ""

    @cached_property
    def reservation_id(self) -> str:
        return str(self.id)

    @property
    def round(self) -> int:
        return self.id.round

    @property
    def entry(self) -> str:
        return self.id.entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An entry that the gate cannot have written in this form. Fields that cannot be read are 0 or empty."""

    sale: str
    entry: str
    nonce: str = ""
    round: int = 0
    epoch: int = 0
    number: int = 0
    quantity: int = 0
    reason: str


def parse_entry(sale: str, entry: str, fields: Mapping[str, str]) -> Order | Unreadable:
    """Read the entry with the stream id `entry` of the sale `sale`. Never raises."""
    invalid: list[str] = []

    def integer(name: str, least: int, most: int) -> int:
        text = fields.get(name, "")
        if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
            return int(text)
        invalid.append(name)
        return 0

    round_ = integer("round", 1, 999_999_999)
    epoch = integer("epoch", 0, MAX_BIGINT)
    number = integer("number", 0, MAX_BIGINT)
    quantity = integer("quantity", 1, MAX_QUANTITY)
    ticket = integer("ticket", 0, MAX_INTEGER)
    customer, key, nonce = fields.get("customer", ""), fields.get("key", ""), fields.get("nonce", "")
    invalid.extend(name for name, text in (("customer", customer), ("key", key)) if not text)
    reservation = ReservationId(sale, round_, entry, nonce)
    if RESERVATION_ID.fullmatch(str(reservation)) is None:
        invalid.append("nonce")
        nonce = ""
    if invalid:
        return Unreadable(
            sale=sale, entry=entry, nonce=nonce, round=round_, epoch=epoch, number=number, quantity=quantity,
            reason=f"missing or out of range: {', '.join(invalid)}",
        )  # fmt: skip
    return Order(reservation, epoch, number, customer, key, quantity, ticket, fields.get("traceparent", ""))
