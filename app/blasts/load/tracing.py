"""Make each sampled purchase the root span of a trace, and name it in the request's `traceparent` header."""

from random import getrandbits, random

from opentelemetry.trace import SpanKind, StatusCode

from app.blasts.load.buyer import Buyer, outcome_of, should_repeat
from app.blasts.load.failures import NoReply
from app.blasts.load.plan import LoadPlan
from app.blasts.load.wire import Reply
from app.telemetry.names import OUTCOME
from app.telemetry.spans import current_traceparent, recorded_span

GENERATOR = "atomictickets-blast-runner"
"""The `service.name` of the load generator, in every process that runs a load."""
UNSAMPLED = b"00-%032x-%016x-00"


class TracedPurchases:
    """The sender of one load's purchases, each with a trace.

    The sampling decision is made here, also for the service: an unsampled purchase has a `traceparent` that says so.
    """

    def __init__(self, plan: LoadPlan) -> None:
        self._ratio = plan.trace_ratio or 0.0
        self._attributes = {
            "http.request.method": "POST",
            "url.path": plan.path,
            "server.address": plan.host,
            "atomictickets.sale": plan.sale,
        }

    async def buy(self, buyer: Buyer, request: bytes, deadline: float) -> tuple[Reply | NoReply, int]:
        """Send a purchase, as `buyer.buy` does. All attempts of a purchase are in one trace."""
        if random() >= self._ratio:  # noqa: S311  thins out a crowd, keeps no secret
            return await buyer.buy(with_traceparent(request, UNSAMPLED % (getrandbits(128), getrandbits(64))), deadline)
        with recorded_span("buy", None, self._attributes, kind=SpanKind.CLIENT) as span:
            answer, attempts = await buyer.buy(with_traceparent(request, current_traceparent().encode()), deadline)
            span.set_attribute(OUTCOME, outcome_of(answer))
            if isinstance(answer, Reply):
                span.set_attribute("http.response.status_code", answer.status)
            if attempts > 1:
                span.set_attribute("http.request.resend_count", attempts - 1)
            if should_repeat(answer):
                span.set_status(StatusCode.ERROR)
        return answer, attempts


def with_traceparent(request: bytes, traceparent: bytes) -> bytes:
    """Return the request with a `traceparent` header."""
    return request.replace(b"\r\n", b"\r\ntraceparent: %s\r\n" % traceparent, 1)
