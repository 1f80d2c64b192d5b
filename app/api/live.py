"""GET /live: what happens, as it happens, as server-sent events."""

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
STUCK_SECONDS = 20.0  # four heartbeats that the connection did not take

# OpenAPI has no words for an answer without an end, and who tries all routes would wait for it: see docs/http-api.md.
router = APIRouter(dependencies=[Depends(require_ready)], include_in_schema=False)
log = structlog.get_logger()


class Watching(StreamingResponse):
    """The answer to one watcher. Its place is free again however the connection ends."""

    def __init__(self, live: Live, watcher: Watcher, last_event_id: str | None) -> None:
        super().__init__(
            live.watch(watcher, last_event_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},  # nginx would hold events back
        )
        self._live = live
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def promptly(message: Message) -> None:
            async with asyncio.timeout(STUCK_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, promptly)
        except TimeoutError:
            log.warning("a watcher stopped reading", after_seconds=STUCK_SECONDS)
        finally:
            await self._live.hub.leave(self._watcher)


@router.get("/live", response_class=StreamingResponse)
async def watch(
    services: InstalledServices,
    last_event_id: Annotated[str | None, Header(pattern=EVENT_ID)] = None,
    after: Annotated[str | None, Query(pattern=EVENT_ID)] = None,
) -> Watching:
    """Continues after the event that the header names; or `after`, for a page that has to connect anew by itself.

    Raises TooManyWatchers.
    """
    return Watching(services.live, services.live.hub.join(), last_event_id or after)
