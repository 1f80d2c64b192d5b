"""GET /live: the live events of the installation, as server-sent events."""

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.api.services import InstalledServices, require_ready
from app.live.hub import Watcher
from app.live.watching import Live

EVENT_ID = r"^\d{1,19}-\d{1,19}$"
SEND_TIMEOUT_SECONDS = 20.0  # four heartbeats that could not be sent

# Not in the schema: OpenAPI cannot describe a response without an end, and a tool that tries every route would wait
# forever. The events are documented in docs/http-api.md.
router = APIRouter(dependencies=[Depends(require_ready)], include_in_schema=False)
log = structlog.get_logger()


class WatcherResponse(StreamingResponse):
    """The event stream of one watcher. The watcher leaves the hub, however the connection ends."""

    def __init__(self, live: Live, watcher: Watcher, last_event_id: str | None) -> None:
        super().__init__(
            live.watch(watcher, last_event_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},  # nginx would buffer the events
        )
        self._live = live
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            log.warning("a watcher stopped reading", after_seconds=SEND_TIMEOUT_SECONDS)
        finally:
            await self._live.hub.leave(self._watcher)


@router.get("/live", response_class=StreamingResponse)
async def watch(
    services: InstalledServices,
    last_event_id: Annotated[str | None, Header(pattern=EVENT_ID)] = None,
    after: Annotated[str | None, Query(pattern=EVENT_ID)] = None,
) -> WatcherResponse:
    """Stream the events after `Last-Event-ID`, or after `after`, for a page that has to reconnect by itself.

    Raise TooManyWatchers if this process serves as many watchers as it can.
    """
    return WatcherResponse(services.live, services.live.hub.join(), last_event_id or after)
