"""The service, whose telemetry can be taken away and given back: `python -m app.lab.bench.alternating_app`.

What tracing costs a purchase is less than two processes of the same code differ by, or one of them from second to
second (5 % here). So one process does both, in turn, and only what it does in each slice of its time is compared.

The one thing that a purchase calls of `app.telemetry` while it isn't traced is replaced by what answers a constant.
"""

import asyncio
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from time import process_time
from urllib.parse import parse_qs

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.lab.bench.serving import serve
from app.main import create_app
from app.telemetry.sampling import Sampling
from app.telemetry.tracing import tracing

PATH = "/cost"
SETTLE_SECONDS = 0.05  # an answer takes 20 ms with the crowd: what began before a slice has ended when it is counted
TURNS = ("stub", "real", "real", "stub")  # what drifts from one slice to the next meets both ways alike


def stub(self: Sampling, traceparent: bytes) -> tuple[bytes, bool]:
    del self, traceparent
    return b"0" * 32, False


WAYS = {"stub": stub, "real": Sampling.decide}


@dataclass(slots=True)
class Cost:
    """CPU time of all threads of the process, and what it answered meanwhile."""

    cpu_seconds: float = 0.0
    answers: int = 0


class Alternating:
    """`GET /cost?seconds=10&slice=0.5`: `{"stub": ..., "real": ...}`, of as many seconds from now."""

    def __init__(self, service: FastAPI) -> None:
        self._service = service
        self._answers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == PATH:
            asked = parse_qs(scope["query_string"].decode())
            costs = await self._alternate(float(asked["seconds"][0]), float(asked["slice"][0]))
            await JSONResponse({way: asdict(cost) for way, cost in costs.items()})(scope, receive, send)
        else:
            await self._service(scope, receive, send)
            self._answers += 1

    async def _alternate(self, seconds: float, slice_seconds: float) -> dict[str, Cost]:
        costs = {way: Cost() for way in WAYS}
        for way in islice(cycle(TURNS), int(seconds / (slice_seconds + SETTLE_SECONDS))):
            Sampling.decide = WAYS[way]  # type: ignore[method-assign]  # that is the point
            cost = costs[way]
            await asyncio.sleep(SETTLE_SECONDS)
            began, answers = process_time(), self._answers
            await asyncio.sleep(slice_seconds)
            await asyncio.to_thread(send_spans)  # what a slice makes it also sends
            cost.cpu_seconds += process_time() - began
            cost.answers += self._answers - answers
        Sampling.decide = WAYS["real"]  # type: ignore[method-assign]  # as it was
        return costs


def send_spans() -> None:
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush()


if __name__ == "__main__":
    with tracing("atomictickets-api"):
        service = create_app()
        serve(Alternating(service), service.state.readiness, "alternating")
