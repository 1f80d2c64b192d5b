"""The one reader of the live stream in a process, and the watchers that it serves."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from app.errors import TemporarilyUnavailable
from app.live.events import LAGGING, LEAVING, Event, source
from app.live.sale_poller import SalePoller
from app.live.stream import LiveStream, LiveUnavailable

MAX_WATCHERS = 200
WAITING_EVENTS = 256  # 6 s of two blasts at full rate; a watcher that is further behind reads too slowly
AWAY_SECONDS = 1.0

log = structlog.get_logger()


class TooManyWatchers(TemporarilyUnavailable):
    """This process has no room for another watcher. Another process may have room."""

    slug, title = "too-many-watchers", "Too Many Watchers"


class Watcher:
    """The events that wait to be sent to one watcher. `ending` is the last event, or None until it is known."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue(WAITING_EVENTS + 1)
        self.ending: Event | None = None

    def send(self, event: Event) -> None:
        """Queue the event without waiting.

        A watcher that reads too slowly is disconnected and may resume from its last id.
        """
        if self.ending is None and self._events.qsize() < WAITING_EVENTS:
            self._events.put_nowait(event)
        else:
            self.end(LAGGING)

    def end(self, ending: Event) -> None:
        """Queue `ending` as the last event, unless there is one already."""
        if self.ending is None:
            self.ending = ending
            self._events.put_nowait(ending)

    async def next(self) -> Event:
        """Return the next event. Wait until there is one."""
        return await self._events.get()


class Hub:
    """The hub of one process. It reads the stream and polls the sales while it has watchers.

    `leaving` returns True once the process has been asked to end. Use it from one event loop.
    """

    def __init__(self, stream: LiveStream, sale_poller: SalePoller, leaving: Callable[[], bool]) -> None:
        self._stream = stream
        self._poller = sale_poller
        self._leaving = leaving
        self._watchers: set[Watcher] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._away: str | None = None

    def join(self) -> Watcher:
        """Add and return a watcher. Raise TooManyWatchers if there is no room."""
        if len(self._watchers) >= MAX_WATCHERS:
            raise TooManyWatchers(
                f"This process already serves {MAX_WATCHERS} watchers. Try again later.", retry_after_seconds=5.0
            )
        watcher = Watcher()
        self._watchers.add(watcher)
        if self._leaving():
            watcher.end(LEAVING)
        if self._away is not None:
            watcher.send(source(self._away))
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._poller.run())]
        return watcher

    async def leave(self, watcher: Watcher) -> None:
        """Remove the watcher. Stop the reader and the sale poller if it was the last one."""
        self._watchers.discard(watcher)
        if not self._watchers:
            await self.close()

    async def close(self) -> None:
        """Stop the reader and the sale poller."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _read(self) -> None:
        """Read until the process is asked to end. When reading ends, for any reason, disconnect all watchers."""
        try:
            await self._forward()
        finally:
            for watcher in self._watchers:
                watcher.end(LEAVING)

    async def _forward(self) -> None:
        """Pass the events of the stream on to all watchers and to the sale poller."""
        last: str | None = None
        while not self._leaving():
            try:
                last = last or await self._stream.last_id()
                events = await self._stream.after(last, wait=True)
            except LiveUnavailable as error:
                self._set_away(error.detail)
                await asyncio.sleep(AWAY_SECONDS)
                continue
            self._set_away(None)
            for event in events:
                last = event.id
                self._poller.handle_event(event)
                self._broadcast(event)

    def _set_away(self, away: str | None) -> None:
        """Remember why the stream can't be read, or None if it can. Log a change and send it to all watchers."""
        if away == self._away:
            return
        if away is None:
            log.info("live events are received again")
        else:
            log.warning("no live events", reason=away)
        self._away = away
        self._broadcast(source(away))

    def _broadcast(self, event: Event) -> None:
        for watcher in self._watchers:
            watcher.send(event)
