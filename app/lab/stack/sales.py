"""Reads and changes of a sale over HTTP, at a service whose processes may be starting."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from app.client import ApiNotReady, Document, SaleClient
from app.lab.stack import waiting
from app.lab.stack.waiting import POLL_SECONDS, NotInTime, poll

Answer = TypeVar("Answer")


async def until(client: SaleClient, sale: str, event: str, holds: Callable[[Document], bool]) -> Document:
    """Return the sale as soon as `holds` returns True for it.

    Raise NotInTime after 30 s, with the message that the sale was not `event`.
    """

    async def read() -> Document | None:
        with suppress(ApiNotReady):
            found = await client.sale(sale)
            if found is not None and holds(found):
                return found
        return None

    found = await poll(read, seconds=waiting.TIMEOUT_SECONDS)
    if found is None:
        raise NotInTime(f"Within {waiting.TIMEOUT_SECONDS:.0f} s the sale {sale} was not {event}.")
    return found


async def when_ready(request: Callable[[], Awaitable[Answer]]) -> Answer:
    """Send a request until the service is ready, and return the answer. The request must be safe to repeat.

    Raise the last ApiNotReady after 30 s.
    """
    deadline = time.monotonic() + waiting.TIMEOUT_SECONDS
    while True:
        try:
            return await request()
        except ApiNotReady:
            if time.monotonic() >= deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)


def is_open(sale: Document) -> bool:
    return bool(sale["phase"] == "Open")


def every_figure_is_known(sale: Document) -> bool:
    """Return whether no figure is null, as those of the counter are while its store is away."""
    return all(sale[name] is not None for name in ("remaining", "backlog", "undersold", "counter_says"))
