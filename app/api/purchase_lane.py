"""The ASGI endpoint that answers purchases, outside FastAPI, which only documents the route (see `buying`).

A plain FastAPI route (dependencies, exit stacks, response models) costs 50 us, measured without a socket: more than the
purchase itself. Here one compiled validator reads the body, and the response is assembled by hand: 6 us.
"""

import asyncio
import os
from time import perf_counter

import structlog
from opentelemetry.trace import get_current_span
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from app.api.bodies import ClientGone, is_json, read_body
from app.api.errors import InternalError, InvalidRequest, NotJson, RequestAborted, refusal
from app.api.idempotency import NAMES, idempotency_key
from app.api.orders import OrderIn
from app.api.problems import MEDIA_TYPE, Header, rendered
from app.api.services import Services
from app.api.tracing import HEADER, record_outcome, server_span, trace_id_of
from app.api.validation import field_errors
from app.errors import AtomicTicketsError
from app.sales.model import Purchase
from app.sales.outcomes import Outcome, Reserved, SoldOut
from app.telemetry.sampling import Sampling
from app.telemetry.spans import current_traceparent

PATH = "/buy-ticket"
SPAN = f"POST {PATH}"
JSON = (b"content-type", b"application/json")
PROBLEM_JSON = (b"content-type", MEDIA_TYPE.encode())
REPLAYED = (b"idempotent-replayed", b"true")

# A template, because most responses of a flash sale are this one. Only the trace id and the number differ.
SOLD_OUT = (
    b'{"type":"/problems/sold-out","title":"Sold Out","status":400,'
    b'"detail":"Fewer tickets are left than were asked for.","instance":"/buy-ticket","trace_id":"%s","remaining":%d}'
)

Answer = tuple[int, list[Header], bytes]
Head = tuple[int, bytes, list[bytes], str]
"""The declared length of the body, its content type, all idempotency keys of the request, and a nonce made here."""

log = structlog.get_logger()


async def answer_purchase(sampling: Sampling, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one purchase request."""
    started = perf_counter()
    head, traceparent = read_head(scope)
    trace_id, sampled = sampling.decide(traceparent, head[3])
    try:
        if sampled:
            with server_span(SPAN, scope, traceparent, started) as span:
                trace_id = trace_id_of(span)
                outcome, answer = await decide(scope, receive, head, trace_id, current_traceparent())
                record_outcome(span, outcome, answer[0])
        else:
            outcome, answer = await decide(scope, receive, head, trace_id)
    except ClientGone:
        return
    except asyncio.CancelledError:  # only by the server, when its shutdown grace period is over
        await respond(send, rendered(RequestAborted(), scope["path"], trace_id), trace_id)
        raise
    scope["state"]["services"].metrics.purchase(outcome, perf_counter() - started, trace_id if sampled else "")
    await respond(send, answer, trace_id)


async def respond(send: Send, answer: Answer, trace_id: str) -> None:
    status, headers, body = answer
    headers.append((HEADER, trace_id.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def decide(
    scope: Scope, receive: Receive, head: Head, trace_id: str, traceparent: str = ""
) -> tuple[str, Answer]:
    """Return the name of the outcome, for the metrics, and the response."""
    services: Services = scope["state"]["services"]
    try:
        purchase = await read_purchase(head, receive, services, traceparent)
        return render_outcome(await services.purchases.buy(purchase), trace_id)
    except AtomicTicketsError as error:
        if error.status == 500:  # TRY400: the shared call logged the traceback, once for all its purchases
            log.error("a purchase failed unexpectedly", trace_id=trace_id, cause=repr(error.__cause__))  # noqa: TRY400
        return error.slug, rendered(error, scope["path"], trace_id)
    except Exception as error:
        log.exception("a purchase failed unexpectedly", trace_id=trace_id)
        get_current_span().record_exception(error)
        unexpected = InternalError("The request failed. The log has the error under this trace id.")
        return "error", rendered(unexpected, scope["path"], trace_id)


def read_head(scope: Scope) -> tuple[Head, bytes]:
    """Return the head of the request and its `traceparent` header, or b'' if it has none."""
    declared_bytes, content_type, keys, traceparent = 0, b"", [], b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            declared_bytes = int(value) if value.isdigit() else 0
        elif name == b"content-type":
            content_type = value
        elif name in NAMES:
            keys.append(value)
        elif name == b"traceparent":
            traceparent = value
    return (declared_bytes, content_type, keys, os.urandom(8).hex()), traceparent


async def read_purchase(head: Head, receive: Receive, services: Services, traceparent: str) -> Purchase:
    """Return the purchase. Raise the AtomicTicketsError that names the mistake if the request is invalid."""
    if not services.readiness.started:
        services.readiness.require()
    declared_bytes, content_type, keys, nonce = head
    body = await read_body(declared_bytes, receive, services.body_limit_bytes)
    if not is_json(content_type):
        raise NotJson("Send the body as application/json.")
    key = idempotency_key(keys)
    try:
        order = OrderIn.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest(field_errors(error.errors(include_url=False, include_input=False))) from None
    return Purchase(order.sale, order.customer, key, order.quantity, nonce, traceparent)


def render_outcome(outcome: Outcome, trace_id: str) -> tuple[str, Answer]:
    """Return the same as `decide`. The values put into the bodies need no escaping in JSON."""
    if type(outcome) is Reserved:
        reservation = outcome.reservation
        replayed = "true" if outcome.replayed else "false"
        body = (
            f'{{"status":"Ticket Reserved","reservation_id":"{reservation}","sale":"{reservation.sale}",'
            f'"round":{reservation.round},"replayed":{replayed}}}'
        ).encode()
        headers = [JSON, (b"content-length", b"%d" % len(body))]
        if outcome.replayed:
            headers.append(REPLAYED)
            return "replayed", (200, headers, body)
        return "reserved", (200, headers, body)
    if type(outcome) is SoldOut:
        body = SOLD_OUT % (trace_id.encode(), outcome.remaining)
        return "sold-out", (400, [PROBLEM_JSON, (b"content-length", b"%d" % len(body))], body)
    error = refusal(outcome)  # type: ignore[arg-type]  # neither of the two types above; `type() is` narrows no union
    return error.slug, rendered(error, PATH, trace_id)
