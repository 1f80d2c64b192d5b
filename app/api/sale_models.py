"""Sales as JSON."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.sales.model import MAX_STOCK, MAX_THINK_MS, SALE_NAME, Sale, SaleTerms
from app.strategies.registry import strategy_names

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def in_utc(moment: datetime) -> datetime:
    """Bounded, since neither asyncpg nor the conversion to UTC takes every year that ISO 8601 can write."""
    if not EARLIEST <= moment <= LATEST:
        raise PydanticCustomError("moment", "Input should be between the years 2000 and 2200")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
Stock = Annotated[int, Field(strict=True, ge=1, le=MAX_STOCK, description="Tickets.")]


class SaleIn(BaseModel):
    """The terms of a sale."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "spring-tour", "strategy": "atomic", "stock": 10},
                {
                    "name": "autumn-tour",
                    "strategy": "atomic",
                    "stock": 5000,
                    "opens_at": "2030-09-01T10:00:00Z",
                    "closes_at": "2030-09-01T12:00:00Z",
                    "customer_limit": 4,
                },
            ]
        },
    )

    name: str = Field(pattern=SALE_NAME, description="A DNS label: its identity for ever.")
    strategy: str = Field(
        max_length=64,
        description="How it is sold, for its whole life.",
        json_schema_extra={"enum": list(strategy_names())},
    )
    stock: Stock
    opens_at: Moment | None = None
    closes_at: Moment | None = None
    customer_limit: Annotated[int, Field(strict=True, ge=1, le=MAX_STOCK)] | None = Field(
        None, description="The most tickets that one customer may hold."
    )
    think_ms: Annotated[int, Field(strict=True, ge=0, le=MAX_THINK_MS)] | None = Field(
        None,
        description="The pause between read and write of the strategies that have one. Left out, it is the "
        "platform's own (`SALE_THINK_MS`) as the round starts.",
    )

    @model_validator(mode="after")
    def _closes_after_it_opens(self) -> Self:
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise PydanticCustomError("window", "closes_at should be later than opens_at")
        return self

    def as_terms(self, think_ms: int) -> SaleTerms:
        """`think_ms`: where none is asked for."""
        terms = self.model_dump()
        if self.think_ms is None:
            terms |= {"think_ms": think_ms, "think_asked": False}
        return SaleTerms(**terms)


class ResetIn(BaseModel):
    """What the next round changes."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"stock": 20}]})

    stock: Stock | None = None


class SaleOut(BaseModel):
    """A sale as the ledger knows it, without its figures."""

    name: str
    strategy: str
    round: int = Field(description="Which staging of the sale this is.")
    epoch: int = Field(description="The fencing token: raised by every seed, reset and repair.")
    stock: int
    customer_limit: int | None
    think_ms: int
    opens_at: datetime | None
    closes_at: datetime | None
    paused: bool
    managed_by: str
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, sale: Sale) -> Self:
        terms = sale.terms
        return cls(
            name=terms.name,
            strategy=terms.strategy,
            round=sale.round,
            epoch=sale.epoch,
            stock=terms.stock,
            customer_limit=terms.customer_limit,
            think_ms=terms.think_ms,
            opens_at=terms.opens_at,
            closes_at=terms.closes_at,
            paused=sale.paused,
            managed_by=sale.managed_by,
            created_at=sale.created_at,
            ended_at=sale.ended_at,
        )


class SalePage(BaseModel):
    sales: list[SaleOut]
    next: str | None


class IdentityOut(BaseModel):
    """stock = remaining + backlog + set_aside + booked, in tickets."""

    model_config = ConfigDict(from_attributes=True)

    stock: int
    remaining: int | None
    backlog: int | None
    set_aside: int
    booked: int
    holds: bool | None


class SaleViewOut(BaseModel):
    """A sale and the tickets of its present round."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    strategy: str
    round: int
    epoch: int
    phase: str
    stock: int
    remaining: int | None = Field(description="What the strategy's own counter has left.")
    backlog: int | None = Field(description="Accepted, and not yet in the ledger.")
    set_aside: int = Field(description="Of orders that no worker could book; they wait for a person.")
    booked: int = Field(description="Counted from the ledger's bookings.")
    rejected: int
    duplicates: int
    oversold: int = Field(description="Booked beyond the stock.")
    undersold: int | None = Field(description="Neither sold nor left, once the backlog is 0.")
    lost: int | None = Field(
        description="Told to buyers and then forgotten by the stock server. Null while orders are on their way."
    )
    customer_limit: int | None
    think_ms: int
    opens_at: datetime | None
    closes_at: datetime | None
    paused: bool
    managed_by: str
    identity: IdentityOut
    counter_says: int | None = Field(description="How many tickets the counter believes are sold.")
