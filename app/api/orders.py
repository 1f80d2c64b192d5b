"""The JSON bodies of a purchase."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.sales.model import CUSTOMER, MAX_QUANTITY, SALE_NAME


class OrderIn(BaseModel):
    """A purchase of `quantity` tickets by one customer."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"sale": "spring-tour", "customer": "ada@example.org", "quantity": 1}]},
    )

    sale: str = Field(pattern=SALE_NAME, description="The name of the sale.")
    customer: str = Field(
        pattern=CUSTOMER, description="The customer, to whom customer limits and idempotency keys apply."
    )
    quantity: int = Field(
        1, ge=1, le=MAX_QUANTITY, description="The number of tickets. All of them are reserved, or none."
    )


class ReservationOut(BaseModel):
    """A reservation of tickets for the customer. The booking in the ledger follows within seconds."""

    status: Literal["Ticket Reserved"]
    reservation_id: str
    sale: str
    round: int
    replayed: bool = Field(description="Whether this repeats the response to an earlier request with the same key.")
