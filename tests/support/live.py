"""Readers of server-sent events."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from httpx2 import AsyncClient


@dataclass(frozen=True)
class ServerSentEvent:
    name: str
    data: Any
    id: str | None


@asynccontextmanager
async def watching(url: str, last_event_id: str | None = None) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
    """Yield the events of GET /live as they arrive, after the one with `last_event_id` if it is given."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with (
        AsyncClient(base_url=url, timeout=20) as client,
        client.stream("GET", "/live", headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        yield events(answer.aiter_lines())


async def events(lines: AsyncIterator[str]) -> AsyncIterator[ServerSentEvent]:
    """Parse the lines of a text/event-stream."""
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        else:
            if "event" in fields:
                yield ServerSentEvent(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}


async def first(stream: AsyncIterator[ServerSentEvent], name: str) -> ServerSentEvent:
    """Return the next event of that name. Raise AssertionError if the stream ends first."""
    async for event in stream:
        if event.name == name:
            return event
    raise AssertionError(f"the stream ended without a {name}")
