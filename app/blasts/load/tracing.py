"""Purchases as the roots of traces: a span for each that is sampled, and its place in the request's `traceparent`."""

from random import getrandbits, random

from opentelemetry.trace import SpanKind, StatusCode

from app.blasts.load.buyer import Buyer, is_unknown, outcome_of
from app.blasts.load.failures import NoReply
from app.blasts.load.plan import LoadPlan
from app.blasts.load.wire import Reply
from app.telemetry.names import OUTCOME
from app.telemetry.spans import current_traceparent, decided

GENERATOR = "atomictickets-blast-runner"
"""The service's name, in whichever process the load is made."""
UNSAMPLED = b"00-%032x-%016x-00"


class TracedPurchases:
    """Decides for the service too: what is not sampled here says so, and nobody samples it later."""

    def __init__(self, plan: LoadPlan) -> None:
        self._ratio = plan.trace_ratio or 0.0
        self._attributes = {
            "http.request.method": "POST",
            "url.path": plan.path,
            "server.address": plan.host,
            "atomictickets.sale": plan.sale,
        }

    async def buy(self, buyer: Buyer, request: bytes, deadline: float) -> tuple[Reply | NoReply, int]:
        """As the buyer himself would. All attempts of a purchase are one trace."""
        if random() >= self._ratio:  # noqa: S311  thins out a crowd, keeps no secret
            return await buyer.buy(naming(request, UNSAMPLED % (getrandbits(128), getrandbits(64))), deadline)
        with decided("buy", None, self._attributes, kind=SpanKind.CLIENT) as buying:
            answer, attempts = await buyer.buy(naming(request, current_traceparent().encode()), deadline)
            buying.set_attribute(OUTCOME, outcome_of(answer))
            if isinstance(answer, Reply):
                buying.set_attribute("http.response.status_code", answer.status)
            if attempts > 1:
                buying.set_attribute("http.request.resend_count", attempts - 1)
            if is_unknown(answer):
                buying.set_status(StatusCode.ERROR)
        return answer, attempts


def naming(request: bytes, traceparent: bytes) -> bytes:
    """The request with the header that says whose child it is."""
    return request.replace(b"\r\n", b"\r\ntraceparent: %s\r\n" % traceparent, 1)
