"""A purchase as JSON."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.sales.model import CUSTOMER, MAX_QUANTITY, SALE_NAME


class OrderIn(BaseModel):
    """What is to be bought, and by whom."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"sale": "spring-tour", "customer": "ada@example.org", "quantity": 1}]},
    )

    sale: str = Field(pattern=SALE_NAME, description="The name of the sale.")
    customer: str = Field(pattern=CUSTOMER, description="Whoever limits are counted for. Keys are scoped to it.")
    quantity: int = Field(1, ge=1, le=MAX_QUANTITY, description="Tickets: all of them or none.")


class ReservationOut(BaseModel):
    """Tickets are reserved for the customer; the booking follows within seconds."""

    status: Literal["Ticket Reserved"]
    reservation_id: str
    sale: str
    round: int
    replayed: bool = Field(description="The same key had won before; this is that answer again.")
