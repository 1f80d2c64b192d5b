"""POST /buy-ticket. FastAPI documents the route; the requests themselves take a lane of their own.

What a plain route costs beside the purchase (dependencies, exit stacks, response models: see `make bench`, "floor") is
more than the purchase: here the body's bytes go through one compiled validator and the answer is written by hand.
"""

import os
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Annotated, Any, Literal

import structlog
from fastapi import Header, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.types import Receive, Scope, Send

from app.api.bodies import ClientGone, is_json, read_body
from app.api.errors import (
    BodyTooLarge,
    CustomerLimitRefusal,
    InternalError,
    InvalidIdempotencyKey,
    InvalidRequest,
    KeyReusedRefusal,
    MissingIdempotencyKey,
    NotJson,
    NotOpenRefusal,
    NotReady,
    SoldOutRefusal,
    refusal,
)
from app.api.idempotency import NAMES, idempotency_key
from app.api.invalid import field_errors
from app.api.problems import MEDIA_TYPE, problems, rendered
from app.api.problems import Header as HeaderPair
from app.api.services import Services
from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.gate.replies import GateForgot
from app.sales.model import CUSTOMER, IDEMPOTENCY_KEY, MAX_QUANTITY, SALE_NAME, Purchase, UnknownSale
from app.sales.outcomes import Outcome, Reserved, SoldOut

PATH = "/buy-ticket"
JSON = (b"content-type", b"application/json")
PROBLEM_JSON = (b"content-type", MEDIA_TYPE.encode())
REPLAYED = (b"idempotent-replayed", b"true")

# By hand: most answers of a flash sale are this one, and nothing but the number differs.
SOLD_OUT = (
    b'{"type":"/problems/sold-out","title":"Sold Out","status":400,'
    b'"detail":"Fewer tickets are left than were asked for.","instance":"/buy-ticket","remaining":%d}'
)

PROBLEMS = (
    SoldOutRefusal,
    MissingIdempotencyKey,
    InvalidIdempotencyKey,
    UnknownSale,
    NotOpenRefusal,
    CustomerLimitRefusal,
    BodyTooLarge,
    NotJson,
    KeyReusedRefusal,
    InvalidRequest,
    InternalError,
    TemporarilyUnavailable,
    GateForgot,
    NotReady,
)

Answer = tuple[int, list[HeaderPair], bytes]

log = structlog.get_logger()


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


async def buy_ticket(
    order: OrderIn,
    x_idempotency_key: Annotated[
        str,
        Header(
            alias="X-Idempotency-Key",
            pattern=IDEMPOTENCY_KEY,
            description="A key of the client's own making, new for each purchase and the same for its retries; "
            "`Idempotency-Key` is the same header by its other name, and a quoted string is taken without its quotes. "
            "Scope: sale and customer. Life: 24 hours beyond the end of the round.",
            examples=["5f2c7e0a-9d0b-4c0e-8a57-0f4d3f1f9e11"],
        ),
    ],
) -> ReservationOut:
    """Reserves tickets, or says why not. Safe to repeat with the same key: it never buys twice.

    A refusal (sold out, limit reached, not open) took nothing and is not remembered: the same key may succeed later.
    After a 503, or no answer at all, send the same request with the same key: it finds out what became of the first.
    """
    raise NotImplementedError("documents the route; LeanRoute handles it")


class LeanRoute(APIRoute):
    """Is matched and documented as any route, and answered by `answer_purchase`, whichever way a request came."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Any]]:  # type: ignore[override]  # an ASGI app is returned
        async def handler(_: Request) -> Any:
            return answer_purchase

        return handler


async def answer_purchase(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI endpoint."""
    started = perf_counter()
    services: Services = scope["state"]["services"]
    outcome = "error"
    try:
        decided = await services.desk.buy(await read_purchase(scope, receive, services))
        outcome, (status, headers, body) = told(decided)
    except ClientGone:
        return
    except AtomicTicketsError as error:
        outcome = error.slug
        status, headers, body = rendered(error, scope["path"])
    except Exception:
        log.exception("a purchase failed unexpectedly")
        status, headers, body = rendered(InternalError("The request failed; it is logged."), scope["path"])
    services.metrics.purchase(outcome, perf_counter() - started)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read_purchase(scope: Scope, receive: Receive, services: Services) -> Purchase:
    """Raises the AtomicTicketsError that names what is wrong with the request."""
    if not services.readiness.started:
        services.readiness.require()
    declared_bytes, content_type, keys = 0, b"", []
    for name, value in scope["headers"]:
        if name == b"content-length":
            declared_bytes = int(value) if value.isdigit() else 0
        elif name == b"content-type":
            content_type = value
        elif name in NAMES:
            keys.append(value)
    body = await read_body(declared_bytes, receive, services.body_limit_bytes)
    if not is_json(content_type):
        raise NotJson("Send the body as application/json.")
    key = idempotency_key(keys)
    try:
        order = OrderIn.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest(field_errors(error.errors(include_url=False, include_input=False))) from None
    return Purchase(order.sale, order.customer, key, order.quantity, os.urandom(8).hex())


def told(outcome: Outcome) -> tuple[str, Answer]:
    """The name of the outcome, for the metrics, and the answer. What fills the bodies needs no escaping in JSON."""
    if type(outcome) is Reserved:
        won = outcome.reservation
        replayed = "true" if outcome.replayed else "false"
        body = (
            f'{{"status":"Ticket Reserved","reservation_id":"{won}","sale":"{won.sale}",'
            f'"round":{won.round},"replayed":{replayed}}}'
        ).encode()
        headers = [JSON, (b"content-length", b"%d" % len(body))]
        if outcome.replayed:
            headers.append(REPLAYED)
            return "replayed", (200, headers, body)
        return "reserved", (200, headers, body)
    if type(outcome) is SoldOut:
        body = SOLD_OUT % outcome.remaining
        return "sold-out", (400, [PROBLEM_JSON, (b"content-length", b"%d" % len(body))], body)
    error = refusal(outcome)  # type: ignore[arg-type]  # the two types above are gone; `type() is` narrows no union
    return error.slug, rendered(error, PATH)


def route() -> LeanRoute:
    """The route as FastAPI documents and matches it."""
    return LeanRoute(
        PATH,
        buy_ticket,
        methods=["POST"],
        tags=["buying"],
        response_model=ReservationOut,
        response_description="The tickets are reserved",
        responses=problems(*PROBLEMS),
    )
