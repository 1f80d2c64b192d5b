"""The events of one watcher, from the first to the last."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from app.errors import AtomicTicketsError
from app.ledger.blasts import BlastRepository
from app.live.events import HEARTBEAT, HEARTBEAT_SECONDS, RECONNECT_MS, UNAVAILABLE, Event, position, source
from app.live.hub import Hub, Watcher
from app.live.sale_poller import MAX_SALES, SalePoller
from app.live.stream import LiveStream, LiveUnavailable
from app.services.sales import SalesService

RECENT_BLASTS = 20


class Live:
    """The live side of one API process. `facts` describes the installation to a page; no event changes it."""

    def __init__(
        self,
        *,
        stream: LiveStream,
        hub: Hub,
        sale_poller: SalePoller,
        sales: SalesService,
        blasts: BlastRepository,
        facts: dict[str, Any],
    ) -> None:
        self._stream = stream
        self.hub = hub
        self._poller = sale_poller
        self._sales = sales
        self._blasts = blasts
        self._facts = facts
        self._snapshots = asyncio.Lock()

    async def watch(self, watcher: Watcher, last_event_id: str | None) -> AsyncIterator[bytes]:
        """Yield frames of server-sent events until the client disconnects or a `goodbye` is sent.

        The watcher has joined the hub before the earlier events are read, so that none is missed. A missed event that
        the hub has too is sent once; an event of the blasts' history may be sent a second time.
        """
        yield f"retry: {RECONNECT_MS}\n\n".encode()
        sent = (0, 0)
        for event in await self._before(last_event_id):
            sent = position(event.id) if event.id else sent
            yield event.frame()
            if event is UNAVAILABLE:
                return
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    event = await watcher.next()
            except TimeoutError:
                event = HEARTBEAT
            if event.id is None or position(event.id) > sent:
                yield event.frame()
            if event is watcher.ending:
                return

    async def _before(self, last_event_id: str | None) -> list[Event]:
        """Return the events that the watcher missed, or everything if the stream does not reach back that far."""
        try:
            if last_event_id and await self._stream.reaches_back_to(last_event_id):
                return await self._stream.after(last_event_id)
            now = await self._stream.last_id()
            history = [Event(event.name, event.data) for event in await self._stream.history("blast")]
        except LiveUnavailable as error:
            return [source(error.detail), *await self._snapshot(None)]
        return [*await self._snapshot(now), *history]

    async def _snapshot(self, id_: str | None) -> list[Event]:
        """Return a snapshot. Only one is made at a time: a crowd that reconnects at once must not become a load.

        If a store is away, return the events that end the connection.
        """
        try:
            async with self._snapshots:
                sales = [await self._poller.payload(sale.name) for sale in await self._sales.active(limit=MAX_SALES)]
                blasts = await self._blasts.recent(RECENT_BLASTS)
        except AtomicTicketsError as error:
            return [source(error.detail), UNAVAILABLE]
        return [Event.of("snapshot", self._facts | {"sales": sales, "blasts": blasts}, id_)]
