"""The service with telemetry that can be switched: `python -m app.lab.bench.alternating_app`.

The cost of tracing a purchase is smaller than the difference between two processes of the same code, or between two
seconds of one process (5 % here). One process therefore runs both variants in turn, in short slices of time, and the
slices are compared.

The stub replaces the only function of `app.telemetry` that an untraced purchase calls by one that returns a constant.
Spans are sent at times that the SDK chooses, by a thread of its own. All CPU time of that thread counts as telemetry.
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
"""The length of a slice. With shorter slices the speed of the machine is more alike for both variants: from round to
round, one variant measured twice differed by 1.8 % with slices of 50 ms, and by 1.1 % with these."""
TURNS = ("stub", "real", "real", "stub")
"""One block. A speed that rises or falls evenly affects both variants alike."""
TRIMMED_SHARE = 0.2
"""The share of the blocks that is left out at either end, because the machine changed its speed in them."""
EXPORTER = "OtelBatch"  # first characters of the name of the SDK's thread

Decide = Callable[[Sampling, bytes, str], tuple[str, bool]]


def stub(self: Sampling, traceparent: bytes, nonce: str) -> tuple[str, bool]:
    """Return a constant decision, in place of `Sampling.decide`."""
    del self, traceparent, nonce
    return "0" * 32, False


def second_stub(self: Sampling, traceparent: bytes, nonce: str) -> tuple[str, bool]:
    """Return a constant decision, as `stub` does."""
    del self, traceparent, nonce
    return "0" * 32, False


REAL = {"telemetry": Sampling.decide, "control": second_stub}
"""The variants that the stub is compared with. The control is a second stub, whose difference is the error of the
measurement. It is a separate function, because the interpreter must notice the switch, as it does with telemetry."""


def switch_to(variant: Decide) -> None:
    """Switch to this variant."""
    Sampling.decide = variant  # type: ignore[method-assign, assignment]  # that is the point


@dataclass(slots=True)
class Cost:
    """The CPU time of the event loop's thread in some slices, and the answers that it gave in them."""

    cpu_seconds: float = 0.0
    answers: int = 0

    @property
    def microseconds(self) -> float:
        """Return the CPU time of one answer."""
        return self.cpu_seconds * 1e6 / self.answers


Block = dict[str, Cost]
"""The costs of both variants within a fifth of a second."""


class Alternating:
    """The service, with one more route: `GET /cost?seconds=10&real=telemetry`.

    It alternates between both variants for so many seconds, and returns the CPU microseconds of one answer in each.
    """

    def __init__(self, service: ASGIApp) -> None:
        self._service = service
        self._begun = 0
        self._answers = 0
        self._last_before = 0
        self._settled = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == PATH:
            query = dict(parse_qsl(scope["query_string"].decode()))
            costs = await self._costs(float(query["seconds"]), REAL[query["real"]])
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
        """Return the blocks, and the share of all answers with telemetry that was counted in them."""
        blocks: list[Block] = []
        with_telemetry = 0
        end = monotonic() + seconds
        while monotonic() < end:
            blocks.append({"stub": Cost(), "real": Cost()})
            for variant in TURNS:
                switch_to(real if variant == "real" else stub)
                cost, before = blocks[-1][variant], self._answers
                await self.settle()
                cpu, answers = thread_time(), self._answers
                await asyncio.sleep(SLICE_SECONDS)
                cost.cpu_seconds += thread_time() - cpu
                cost.answers += self._answers - answers
                with_telemetry += self._answers - before if variant == "real" else 0
        switch_to(stub)  # until the next measurement
        return blocks, sum(block["real"].answers for block in blocks) / max(1, with_telemetry)

    async def settle(self) -> None:
        """Wait until as many requests are answered as had begun under the other variant. Their cost is not counted."""
        self._last_before = self._begun
        if self._answers < self._last_before:
            self._settled.clear()
            await self._settled.wait()


def costs_of(blocks: Sequence[Block], sending_seconds: float) -> dict[str, float]:
    """Return the CPU microseconds of an answer in both variants. `real` includes its share of sending the spans."""
    blocks = [block for block in blocks if all(cost.answers for cost in block.values())]
    stub = trimmed_mean([block["stub"].microseconds for block in blocks])
    times = exp(trimmed_mean([log(block["real"].microseconds / block["stub"].microseconds) for block in blocks]))
    answers = sum(block["real"].answers for block in blocks)
    return {"stub": stub, "real": stub * times + sending_seconds * 1e6 / answers}


def trimmed_mean(values: Sequence[float]) -> float:
    """Return the mean of the values without the lowest and the highest fifth."""
    cut = int(len(values) * TRIMMED_SHARE)
    return fmean(sorted(values)[cut : len(values) - cut])


def exporting_seconds() -> float:
    """Return the CPU time of the SDK's thread in seconds, or 0 if nothing is exported."""
    return sum(
        clock_gettime(pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident is not None and thread.name.startswith(EXPORTER)
    )


def send_the_rest() -> float:
    """Send the spans that wait, and return the CPU seconds that it took."""
    begun = thread_time()
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush()
    return thread_time() - begun


if __name__ == "__main__":
    with tracing("atomictickets-api"):
        service = create_app()
        switch_to(stub)  # until the first measurement
        serve(Alternating(service), service.state.readiness, "alternating")
