"""The arms that tell what tracing costs: purchases as in `purchases`, by processes that differ in nothing else."""

import asyncio
import socket

from app.lab.bench.request_arms import accepted
from app.lab.bench.rig import STUBBED, TRACED_1, TRACED_100
from app.lab.bench.run import Bench
from app.lab.bench.sample import Sample
from app.lab.servers.ports import LOOPBACK


async def stubbed(bench: Bench) -> Sample:
    return await accepted(bench, "telemetry-stub", STUBBED)


async def traced_1(bench: Bench) -> Sample:
    async with bench.rig.collector(bench.rig.group(TRACED_1)):
        return await accepted(bench, "telemetry-1", TRACED_1)


async def traced_100(bench: Bench) -> Sample:
    async with bench.rig.collector(bench.rig.group(TRACED_100)):
        return await accepted(bench, "telemetry-100", TRACED_100)


async def collector_killed(bench: Bench) -> Sample:
    """SIGKILL in the middle of the window."""
    async with bench.rig.collector(bench.rig.group(TRACED_100)) as collector:
        killing = asyncio.get_running_loop().call_later(bench.seconds / 2, collector.kill)
        try:
            return await accepted(bench, "collector-killed", TRACED_100)
        finally:
            killing.cancel()


async def collector_silent(bench: Bench) -> Sample:
    """The kernel accepts connections for a socket that nobody looks at; nothing is ever answered."""
    with socket.create_server((LOOPBACK, bench.rig.group(TRACED_100).collector_port)):
        return await accepted(bench, "collector-silent", TRACED_100)
