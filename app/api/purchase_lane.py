"""How a purchase is answered: an ASGI endpoint beside the framework, which only documents the route (see `buying`).

What a plain route costs (dependencies, exit stacks, response models: 50 us, measured without a socket) is more than the
purchase. Here the body's bytes go through one compiled validator and the answer is written by hand: 6 us.
"""

import os
from time import perf_counter

import structlog
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from app.api.bodies import ClientGone, is_json, read_body
from app.api.errors import InternalError, InvalidRequest, NotJson, refusal
from app.api.idempotency import NAMES, idempotency_key
from app.api.invalid import field_errors
from app.api.orders import OrderIn
from app.api.problems import MEDIA_TYPE, Header, rendered
from app.api.services import Services
from app.errors import AtomicTicketsError
from app.sales.model import Purchase
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

Answer = tuple[int, list[Header], bytes]

log = structlog.get_logger()


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
