"""The JSON bodies of sales."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.sales.model import MAX_STOCK, MAX_THINK_MS, SALE_NAME, Sale, SaleTerms
from app.strategies.registry import strategy_names

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def in_utc(moment: datetime) -> datetime:
    """Convert to UTC. The years are bounded: asyncpg and the conversion do not accept every year of ISO 8601."""
    if not EARLIEST <= moment <= LATEST:
        raise PydanticCustomError("moment", "Input should be between the years 2000 and 2200")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
Stock = Annotated[int, Field(strict=True, ge=1, le=MAX_STOCK, description="The number of tickets.")]


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

    name: str = Field(pattern=SALE_NAME, description="A DNS label. A sale keeps its name forever.")
    strategy: str = Field(
        max_length=64,
        description="The strategy that sells the tickets. A sale keeps it forever.",
        json_schema_extra={"enum": list(strategy_names())},
    )
    stock: Stock
    opens_at: Moment | None = None
    closes_at: Moment | None = None
    customer_limit: Annotated[int, Field(strict=True, ge=1, le=MAX_STOCK)] | None = Field(
        None, description="The highest number of tickets that one customer may hold in a round."
    )
    think_ms: Annotated[int, Field(strict=True, ge=0, le=MAX_THINK_MS)] | None = Field(
        None,
        description="The pause in milliseconds between read and write, for strategies that have one. The default is "
        "the value of `SALE_THINK_MS` when the round starts.",
    )

    @model_validator(mode="after")
    def _closes_after_it_opens(self) -> Self:
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise PydanticCustomError("window", "closes_at should be later than opens_at")
        return self

    def as_terms(self, think_ms: int) -> SaleTerms:
        """Return the terms. `think_ms` is the default for a request that names none."""
        terms = self.model_dump()
        if self.think_ms is None:
            terms |= {"think_ms": think_ms, "think_is_explicit": False}
        return SaleTerms(**terms)


class ResetIn(BaseModel):
    """The terms that change with the next round."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"stock": 20}]})

    stock: Stock | None = None


class PauseIn(BaseModel):
    """Whether purchases are refused. Accepted orders are booked all the same."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"paused": True}]})

    paused: bool = Field(strict=True)


class SaleOut(BaseModel):
    """A sale in the ledger, without its figures."""

    name: str
    strategy: str
    round: int = Field(description="The number of the round. A reset starts the next one.")
    epoch: int = Field(description="The fencing token, raised by every round and every recount.")
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
        """Return the JSON body of the sale."""
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
    """A page of sales. `next` is the `after` of the next page, or null on the last page, which may be empty."""

    sales: list[SaleOut]
    next: str | None


class IdentityOut(BaseModel):
    """The identity stock = remaining + backlog + set_aside + booked, in tickets.

    `holds` is null if it cannot be checked: the counter is away, or orders moved while the stores were read.
    """

    model_config = ConfigDict(from_attributes=True)

    stock: int
    remaining: int | None
    backlog: int | None
    set_aside: int
    booked: int
    holds: bool | None


class SaleViewOut(BaseModel):
    """A sale and the figures of its current round, in tickets."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    strategy: str
    round: int
    epoch: int
    phase: str
    stock: int
    remaining: int | None = Field(description="Tickets left, according to the strategy's counter. Null if it is away.")
    backlog: int | None = Field(description="Tickets accepted and not yet in the ledger.")
    set_aside: int = Field(description="Tickets of orders that no worker could book and that wait for a person.")
    booked: int = Field(description="Tickets sold, counted from the bookings in the ledger.")
    rejected: int
    duplicates: int
    oversold: int = Field(description="Tickets booked beyond the stock.")
    undersold: int | None = Field(
        description="Tickets that are neither sold, in the backlog, set aside nor left. "
        "Null if the counter cannot be read."
    )
    lost: int | None = Field(
        description="Tickets promised to buyers that neither store has any more. "
        "Null while orders are on their way, or if the counter cannot be read."
    )
    rebooked: int = Field(
        description="Tickets of bookings that the ledger had lost and that were made again from what the stock server "
        "remembers."
    )
    customer_limit: int | None
    think_ms: int
    opens_at: datetime | None
    closes_at: datetime | None
    paused: bool
    managed_by: str
    ended_at: datetime | None
    identity: IdentityOut
    counter_says: int | None = Field(description="Tickets sold, according to the counter.")
