"""The route that reports the state of a reservation."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from app.api.errors import InvalidRequest, NotReady
from app.api.problems import problems
from app.api.services import InstalledServices, require_ready
from app.errors import TemporarilyUnavailable
from app.sales.model import UnknownReservation
from app.services.reservations import ReservationView

router = APIRouter(prefix="/reservations", tags=["buying"], dependencies=[Depends(require_ready)])


class ReservationStatusOut(BaseModel):
    """The state of a reservation.

    `pending`: accepted and not yet booked, or set aside for a person. `booked`: sold.
    `rejected`: no ticket was left for it in the ledger.
    `duplicate`: the response was lost and the buyer bought again, so that another reservation holds the tickets.
    `cancelled`: given back. `lost`: the stock server forgot the order, and it is in no store.
    """

    model_config = ConfigDict(from_attributes=True)

    reservation_id: str
    sale: str
    round: int
    status: Literal["pending", "booked", "rejected", "duplicate", "cancelled", "lost"]
    alias_of: str | None = Field(None, description="For a duplicate only: the reservation that holds the tickets.")


@router.get(
    "/{reservation_id}",
    response_model=ReservationStatusOut,
    response_model_exclude_none=True,
    responses=problems(UnknownReservation, InvalidRequest, NotReady, TemporarilyUnavailable),
)
async def read_reservation(
    reservation_id: Annotated[str, Path(max_length=200, examples=["spring-tour.1.1790000000000-0.9f86d081884c7d65"])],
    services: InstalledServices,
) -> ReservationView:
    """Return the state of a reservation: pending in the stream, decided in the ledger, or lost."""
    return await services.reservations.status(reservation_id)
