"""Which tickets of a sale are sold, and which of them twice."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from app.api.errors import InvalidRequest, NotReady
from app.api.problems import problems
from app.api.services import InstalledServices, require_ready
from app.errors import TemporarilyUnavailable
from app.ledger.tickets import TicketMap
from app.sales.model import SALE_NAME, UnknownSale

router = APIRouter(tags=["sales"], dependencies=[Depends(require_ready)])


class TicketMapOut(BaseModel):
    """The round's tickets in up to 400 cells, each a run of `tickets_per_cell` tickets; counted from the bookings."""

    model_config = ConfigDict(from_attributes=True)

    round: int
    stock: int
    tickets_per_cell: int
    sold: list[int] = Field(description="Of each cell: tickets with a booking.")
    sold_twice: list[int] = Field(description="Of each cell: tickets with two bookings or more.")
    most: list[int] = Field(description="Of each cell: the bookings of the ticket that has most.")


@router.get(
    "/sales/{sale}/tickets",
    response_model=TicketMapOut,
    responses=problems(UnknownSale, InvalidRequest, NotReady, TemporarilyUnavailable),
)
async def read_tickets(
    sale: Annotated[str, Path(pattern=SALE_NAME, examples=["spring-tour"])], services: InstalledServices
) -> TicketMap:
    """The map of the present round."""
    found = await services.sales.get(sale)
    return await services.tickets.map(sale, found.round, found.terms.stock)
