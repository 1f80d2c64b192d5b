"""POST /buy-ticket as FastAPI matches and documents it. `Application` sends the requests to `purchase_lane`."""

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
            description="A key that the client generates: new for each purchase, and the same for all its retries. "
            "The header `Idempotency-Key` is accepted as well. The quotes of a quoted string are not part of the key. "
            "A key is scoped to the sale, the round and the customer. It is remembered for at least 24 hours after the "
            "end of the round.",
            examples=["5f2c7e0a-9d0b-4c0e-8a57-0f4d3f1f9e11"],
        ),
    ],
) -> ReservationOut:
    """Reserve tickets, or refuse the purchase with the reason.

    A request may be repeated safely with the same idempotency key: it never buys twice. A refusal (sold out, customer
    limit reached, sale not open) takes nothing and is not remembered, so the same key may succeed later. After a 503,
    or if no response arrives, send the same request with the same key: the response reports the outcome of the first.
    """
    raise NotImplementedError("This function only documents the route. purchase_lane answers the requests.")


def route() -> APIRoute:
    """Return the route for FastAPI to match and document."""
    return APIRoute(
        PATH,
        buy_ticket,
        methods=["POST"],
        operation_id=buy_ticket.__name__,
        tags=["buying"],
        response_model=ReservationOut,
        response_description="The tickets are reserved",
        responses=problems(*PROBLEMS),
    )
