"""The service, whose telemetry can be taken away and given back: `python -m app.lab.bench.alternating_app`.

What tracing costs a purchase is less than two processes of the same code differ by, or one of them from second to
second (5 % here). So one process does both, in turn, and only what it does in each slice of its time is compared.

The one thing that a purchase calls of `app.telemetry` while it isn't traced is replaced by what answers a constant.
Spans are sent when it suits the SDK, by a thread that has nothing else to do: all its time is telemetry's.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from time import clock_gettime, monotonic, pthread_getcpuclockid, thread_time
from urllib.parse import parse_qsl

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.lab.bench.serving import serve
from app.main import create_app
from app.telemetry.sampling import Sampling
from app.telemetry.tracing import tracing

PATH = "/cost"
SLICE_SECONDS = 0.01
"""The shorter, the more alike are the speeds of the machine that both ways meet: from round to round the same way twice
differed by 1.8 % in slices of 50 ms, by 1.1 % in these."""
TURNS = ("stub", "real", "real", "stub")
"""One block: a speed that rises or falls evenly meets both ways alike."""
ODD = 0.2
"""Of the blocks at either end: in them the machine changed its speed, which says nothing of either way."""
EXPORTER = "OtelBatch"  # begins the name of the SDK's thread

Decide = Callable[[Sampling, bytes, str], tuple[str, bool]]


def stub(self: Sampling, traceparent: bytes, nonce: str) -> tuple[str, bool]:
    del self, traceparent, nonce
    return "0" * 32, False


def again(self: Sampling, traceparent: bytes, nonce: str) -> tuple[str, bool]:
    del self, traceparent, nonce
    return "0" * 32, False


REAL = {"telemetry": Sampling.decide, "control": again}
"""What the stub is compared with. The control is a stub as well: what it differs by is what can't be seen. It is a
function of its own, since the interpreter has to notice that another one is called, as it has with telemetry."""


def let_decide(way: Decide) -> None:
    """From here on."""
    Sampling.decide = way  # type: ignore[method-assign, assignment]  # that is the point


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
    """`GET /cost?seconds=10&real=telemetry`: CPU microseconds of an answer in both ways, over so many seconds."""

    def __init__(self, service: ASGIApp) -> None:
        self._service = service
        self._begun = 0
        self._answers = 0
        self._last_before = 0
        self._settled = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == PATH:
            asked = dict(parse_qsl(scope["query_string"].decode()))
            costs = await self._costs(float(asked["seconds"]), REAL[asked["real"]])
            await JSONResponse(costs)(scope, receive, send)
        else:
            self._begun += 1
            try:
                await self._service(scope, receive, send)
            finally:
                self._answers += 1
                if self._answers == self._last_before:
                    self._settled.set()

    async def _costs(self, seconds: float, real: Decide) -> dict[str, float]:
        before = exporting_seconds()
        blocks, share = await self._alternate(seconds, real)
        sending = await asyncio.to_thread(send_the_rest)
        sending += exporting_seconds() - before
        return costs_of(blocks, sending * share)

    async def _alternate(self, seconds: float, real: Decide) -> tuple[list[Block], float]:
        """And the share of the answers, of all that were given with telemetry, that were counted."""
        blocks: list[Block] = []
        with_telemetry = 0
        end = monotonic() + seconds
        while monotonic() < end:
            blocks.append({"stub": Cost(), "real": Cost()})
            for way in TURNS:
                let_decide(real if way == "real" else stub)
                cost, before = blocks[-1][way], self._answers
                await self.settle()
                cpu, answers = thread_time(), self._answers
                await asyncio.sleep(SLICE_SECONDS)
                cost.cpu_seconds += thread_time() - cpu
                cost.answers += self._answers - answers
                with_telemetry += self._answers - before if way == "real" else 0
        let_decide(stub)  # until the next time
        return blocks, sum(block["real"].answers for block in blocks) / max(1, with_telemetry)

    async def settle(self) -> None:
        """Until as many are answered as had begun the other way: their cost is not counted."""
        self._last_before = self._begun
        if self._answers < self._last_before:
            self._settled.clear()
            await self._settled.wait()


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
        let_decide(stub)  # until it is asked what it costs
        serve(Alternating(service), service.state.readiness, "alternating")
