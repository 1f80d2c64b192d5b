"""POST /buy-ticket as FastAPI matches and documents it. The application hands it to `purchase_lane`."""

from typing import Annotated

from fastapi import Header
from fastapi.routing import APIRoute

from app.api import errors
from app.api.orders import OrderIn, ReservationOut
from app.api.problems import problems
from app.api.purchase_lane import PATH
from app.errors import TemporarilyUnavailable
from app.gate.replies import GateForgot
from app.sales.model import IDEMPOTENCY_KEY, UnknownSale
from app.strategies.contention import Contention

PROBLEMS = (
    errors.SoldOutRefusal,
    errors.MissingIdempotencyKey,
    errors.InvalidIdempotencyKey,
    UnknownSale,
    errors.NotOpenRefusal,
    errors.CustomerLimitRefusal,
    errors.BodyTooLarge,
    errors.NotJson,
    errors.KeyReusedRefusal,
    errors.InvalidRequest,
    errors.InternalError,
    TemporarilyUnavailable,
    Contention,
    GateForgot,
    errors.NotReady,
)


async def buy_ticket(
    order: OrderIn,
    x_idempotency_key: Annotated[
        str,
        Header(
            alias="X-Idempotency-Key",
            pattern=IDEMPOTENCY_KEY,
            description="A key of the client's own making, new for each purchase and the same for its retries; "
            "`Idempotency-Key` is the same header by its other name, and a quoted string is taken without its quotes. "
            "Scope: sale, round and customer. Life: at least 24 hours beyond the end of the round.",
            examples=["5f2c7e0a-9d0b-4c0e-8a57-0f4d3f1f9e11"],
        ),
    ],
) -> ReservationOut:
    """Reserves tickets, or says why not. Safe to repeat with the same key: it never buys twice.

    A refusal (sold out, limit reached, not open) took nothing and is not remembered: the same key may succeed later.
    After a 503, or no answer at all, send the same request with the same key: it finds out what became of the first.
    """
    raise NotImplementedError("documents the route; purchase_lane answers it")


def route() -> APIRoute:
    """The route as FastAPI documents and matches it."""
    return APIRoute(
        PATH,
        buy_ticket,
        methods=["POST"],
        tags=["buying"],
        response_model=ReservationOut,
        response_description="The tickets are reserved",
        responses=problems(*PROBLEMS),
    )
