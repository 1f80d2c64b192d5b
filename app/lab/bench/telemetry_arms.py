"""The arms that measure the cost of tracing, and sales while the collector is away."""

import asyncio
import socket

from app.blasts.load.result import ACCEPTED
from app.client import get
from app.errors import AtomicTicketsError
from app.lab.bench.alternating_app import PATH
from app.lab.bench.load import closed_loop, load
from app.lab.bench.request_arms import accepted, sample_of
from app.lab.bench.rig import ALTERNATING, ALTERNATING_1, ALTERNATING_100, TRACED_100, Group
from app.lab.bench.run import Bench
from app.lab.bench.sample import Sample
from app.lab.stack.servers.ports import LOOPBACK

DURATION_FACTOR = 8  # times as long as other arms, because a difference of one per cent must be visible
FEW = 16  # buyers; few, because they are answered together and a slice must not end with many answers missing
CONNECT_SECONDS = 0.5  # time for the crowd to connect
TIMEOUT_SECONDS = 300.0


async def off(bench: Bench) -> Sample:
    return await alternating(bench, "telemetry-off", ALTERNATING)


async def control(bench: Bench) -> Sample:
    """Measure two equal variants, which shows the error of the measurement."""
    return await alternating(bench, "telemetry-control", ALTERNATING, real="control")


async def traced_1(bench: Bench) -> Sample:
    async with bench.rig.collector(bench.rig.group(ALTERNATING_1)):
        return await alternating(bench, "telemetry-1", ALTERNATING_1)


async def traced_100(bench: Bench) -> Sample:
    async with bench.rig.collector(bench.rig.group(ALTERNATING_100)):
        return await alternating(bench, "telemetry-100", ALTERNATING_100)


async def alternating(bench: Bench, arm: str, served: Group, *, real: str = "telemetry") -> Sample:
    """Measure one process with and without telemetry, in slices of the same load."""
    async with bench.stage.sale(arm) as sale:
        group = bench.rig.group(served)
        seconds = bench.seconds * DURATION_FACTOR
        loading = asyncio.create_task(
            load(bench.rig, group, closed_loop(group.url, sale, seconds + 2 * CONNECT_SECONDS, FEW))
        )
        await asyncio.sleep(CONNECT_SECONDS)
        figures = await asyncio.to_thread(costs, group.url, seconds, real)
        return sample_of(bench, arm, await loading, ACCEPTED, figures=figures, saturating=False)


def costs(url: str, seconds: float, real: str) -> dict[str, float]:
    """Return the CPU microseconds of an answer in both variants, and their ratio."""
    response = get(f"{url}{PATH}?seconds={seconds}&real={real}", TIMEOUT_SECONDS)
    if response.status != 200:
        raise AtomicTicketsError(f"The measured process answered {response.status}.")
    answer = response.json()
    times = answer["real"] / answer["stub"]
    return {"cpu_us_with_telemetry": answer["real"], "cpu_us_with_a_stub": answer["stub"], "times_the_stub": times}


async def collector(bench: Bench) -> Sample:
    """Measure with a collector that accepts every span. The next two arms are compared with this one."""
    async with bench.rig.collector(bench.rig.group(TRACED_100)):
        return await accepted(bench, "collector", TRACED_100)


async def collector_killed(bench: Bench) -> Sample:
    """Kill the collector with SIGKILL in the middle of the measurement."""
    async with bench.rig.collector(bench.rig.group(TRACED_100)) as collector:
        killing = asyncio.get_running_loop().call_later(bench.seconds / 2, collector.server.kill)
        try:
            return await accepted(bench, "collector-killed", TRACED_100)
        finally:
            killing.cancel()


async def collector_silent(bench: Bench) -> Sample:
    """Measure with a socket instead of a collector: the kernel accepts connections, and nothing ever answers."""
    with socket.create_server((LOOPBACK, bench.rig.group(TRACED_100).collector_port)):
        return await accepted(bench, "collector-silent", TRACED_100)
