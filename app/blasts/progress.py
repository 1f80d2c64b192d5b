"""Publish the progress of blasts to watchers, up to 20 times a second.

An event that cannot be published now is dropped, because the ledger has the figures too.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import structlog

from app.blasts.load.runner import Load
from app.ledger.blasts import Blast
from app.live.events import Event
from app.live.stream import LiveStream, LiveUnavailable

REPORT_SECONDS = 0.05
COST_FACTOR = 20  # ranking 100,000 latencies takes 15 ms, so reports take at most 1/20 of the generator's time

log = structlog.get_logger()


class BlastReports:
    """The reports of blasts to the live stream. An outage of the stream is logged once."""

    def __init__(self, stream: LiveStream) -> None:
        self._stream = stream
        self._away = False

    @asynccontextmanager
    async def of(self, blast: Blast, load: Load) -> AsyncIterator[None]:
        """Report the progress of the load while the block runs."""
        reporting = asyncio.create_task(self._keep_reporting(blast, load))
        try:
            yield
        finally:
            reporting.cancel()
            with suppress(asyncio.CancelledError):
                await reporting

    async def _keep_reporting(self, blast: Blast, load: Load) -> None:
        while True:
            began = time.monotonic()
            summary = load.result().summary()
            cost = time.monotonic() - began
            await self.publish(replace(blast, progress=summary))
            await asyncio.sleep(max(REPORT_SECONDS, COST_FACTOR * cost))

    async def publish(self, blast: Blast) -> None:
        """Publish the blast once, and drop the event if the stream is away."""
        try:
            await self._stream.publish(Event.of("blast", blast))
        except LiveUnavailable as error:
            if not self._away:
                log.warning("nobody can watch the blasts", reason=error.detail)
            self._away = True
        else:
            self._away = False
