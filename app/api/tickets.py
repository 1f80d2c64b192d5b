"""The route that shows which tickets of a sale are sold, and which are sold more than once."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.errors import InvalidRequest, NotReady
from app.api.problems import problems
from app.api.sales import SaleName
from app.api.services import InstalledServices, require_ready
from app.errors import TemporarilyUnavailable
from app.ledger.tickets import TicketMap
from app.sales.model import UnknownSale

router = APIRouter(tags=["sales"], dependencies=[Depends(require_ready)])


class TicketMapOut(BaseModel):
    """The tickets of a round in up to 400 cells of `tickets_per_cell` successive tickets, counted from the bookings."""

    model_config = ConfigDict(from_attributes=True)

    round: int
    stock: int
    tickets_per_cell: int
    sold: list[int] = Field(description="For each cell, the number of tickets with a booking.")
    sold_twice: list[int] = Field(description="For each cell, the number of tickets with two or more bookings.")
    most: list[int] = Field(description="For each cell, the highest number of bookings of one ticket.")


@router.get(
    "/sales/{sale}/tickets",
    response_model=TicketMapOut,
    responses=problems(UnknownSale, InvalidRequest, NotReady, TemporarilyUnavailable),
)
async def read_tickets(sale: SaleName, services: InstalledServices) -> TicketMap:
    """Return the ticket map of the current round."""
    found = await services.sales.get(sale)
    return await services.tickets.map(sale, found.round, found.terms.stock)
