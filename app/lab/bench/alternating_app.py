"""The service, whose telemetry can be taken away and given back: `python -m app.lab.bench.alternating_app`.

What tracing costs a purchase is less than two processes of the same code differ by, or one of them from second to
second (5 % here). So one process does both, in turn, and only what it does in each slice of its time is compared.

The one thing that a purchase calls of `app.telemetry` while it isn't traced is replaced by what answers a constant.
Spans are sent when it suits the SDK, by a thread that has nothing else to do: all its time is telemetry's.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from time import clock_gettime, pthread_getcpuclockid, thread_time
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
SLICE_SECONDS = 0.05  # a shared machine changes its speed by half within a second: both ways must meet each of them
SETTLE_SECONDS = 0.01  # not counted: what is answered in it had begun the other way
TURNS = ("stub", "real", "real", "stub")
"""One block: a speed that rises or falls evenly meets both ways alike."""
ODD = 0.2
"""Of the blocks at either end: in them the machine changed its speed, which says nothing of either way."""
EXPORTER = "OtelBatch"  # begins the name of the SDK's thread


def stub(self: Sampling, traceparent: bytes) -> tuple[bytes, bool]:
    del self, traceparent
    return b"0" * 32, False


WAYS = {"stub": stub, "real": Sampling.decide}


@dataclass(slots=True)
class Cost:
    """CPU time of the event loop's thread, and what it answered meanwhile."""

    cpu_seconds: float = 0.0
    answers: int = 0

    @property
    def microseconds(self) -> float:
        """Of an answer."""
        return self.cpu_seconds * 1e6 / self.answers


Block = dict[str, Cost]
"""Both ways within a fifth of a second."""


class Alternating:
    """`GET /cost?seconds=10`: CPU microseconds of an answer in both ways, measured for as many seconds from now."""

    def __init__(self, service: FastAPI) -> None:
        self._service = service
        self._answers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == PATH:
            seconds = float(parse_qs(scope["query_string"].decode())["seconds"][0])
            await JSONResponse(await self._costs(seconds))(scope, receive, send)
        else:
            await self._service(scope, receive, send)
            self._answers += 1

    async def _costs(self, seconds: float) -> dict[str, float]:
        before = exporting_seconds()
        blocks, share = await self._alternate(seconds)
        sending = await asyncio.to_thread(send_the_rest)
        sending += exporting_seconds() - before
        return costs_of(blocks, sending * share)

    async def _alternate(self, seconds: float) -> tuple[list[Block], float]:
        """And the share of the answers, of all that were given with telemetry, that were counted."""
        blocks: list[Block] = []
        with_telemetry = 0
        for _ in range(max(1, int(seconds / (len(TURNS) * (SLICE_SECONDS + SETTLE_SECONDS))))):
            blocks.append({way: Cost() for way in WAYS})
            for way in TURNS:
                Sampling.decide = WAYS[way]  # type: ignore[method-assign]  # that is the point
                cost, begun = blocks[-1][way], self._answers
                await asyncio.sleep(SETTLE_SECONDS)
                cpu, answers = thread_time(), self._answers
                await asyncio.sleep(SLICE_SECONDS)
                cost.cpu_seconds += thread_time() - cpu
                cost.answers += self._answers - answers
                with_telemetry += self._answers - begun if way == "real" else 0
        Sampling.decide = WAYS["stub"]  # type: ignore[method-assign]  # until the next time
        return blocks, sum(block["real"].answers for block in blocks) / max(1, with_telemetry)


def costs_of(blocks: Sequence[Block], sending_seconds: float) -> dict[str, float]:
    """CPU microseconds of an answer in both ways; of `real` with its part of the time that sending its spans took."""
    blocks = [block for block in blocks if all(cost.answers for cost in block.values())]
    stub = middling([block["stub"].microseconds for block in blocks])
    times = exp(middling([log(block["real"].microseconds / block["stub"].microseconds) for block in blocks]))
    answers = sum(block["real"].answers for block in blocks)
    return {"stub": stub, "real": stub * times + sending_seconds * 1e6 / answers}


def middling(values: Sequence[float]) -> float:
    """The mean of those that are not odd."""
    cut = int(len(values) * ODD)
    return fmean(sorted(values)[cut : len(values) - cut])


def exporting_seconds() -> float:
    """CPU time of the SDK's thread; 0 where nothing is exported."""
    return sum(
        clock_gettime(pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident is not None and thread.name.startswith(EXPORTER)
    )


def send_the_rest() -> float:
    """CPU seconds that it took."""
    begun = thread_time()
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush()
    return thread_time() - begun


if __name__ == "__main__":
    with tracing("atomictickets-api"):
        service = create_app()
        Sampling.decide = stub  # type: ignore[method-assign]  # until it is asked what it costs
        serve(Alternating(service), service.state.readiness, "alternating")
