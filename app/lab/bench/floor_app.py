"""The floor: `python -m app.lab.bench.floor_app`. It shows the cost of FastAPI alone, before anything is sold.

It parses the body of a purchase into a model and answers with a constant of a reservation's size. Of the ways in
FastAPI's documentation to write such a route, this is the fastest (50 us; a plain dictionary takes 63 us). The floor is
therefore as high as possible.
"""

from fastapi import FastAPI
from pydantic import BaseModel

from app.api.readiness import Readiness
from app.lab.bench.serving import serve


class Order(BaseModel):
    sale: str
    customer: str
    quantity: int = 1


class Reservation(BaseModel):
    status: str
    reservation_id: str
    sale: str
    round: int
    replayed: bool


CONSTANT = Reservation(
    status="Ticket Reserved",
    reservation_id="bench.1.1700000000000-0.0123456789abcdef",
    sale="bench",
    round=1,
    replayed=False,
)

application = FastAPI()
application.state.readiness = Readiness()


@application.post("/buy-ticket")
async def buy_ticket(order: Order) -> Reservation:  # noqa: ARG001  only parsed, as a purchase is
    return CONSTANT


@application.get("/readyz")
async def readyz() -> dict[str, str]:
    return {"status": "ready"}


if __name__ == "__main__":
    serve(application, application.state.readiness, "floor")
