"""Watches a sale over HTTP until it has come to something. Every wait is bounded."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from app.client import ApiNotReady, ApiRefused, ApiUnreachable, Document, SaleClient
from app.errors import AtomicTicketsError

Answer = TypeVar("Answer")

PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.02  # the resolution of seconds_to_consistent


class NotInTime(AtomicTicketsError):
    status, slug, title = 504, "not-in-time", "Not in Time"


async def until(client: SaleClient, sale: str, event: str, holds: Callable[[Document], bool]) -> Document:
    """The sale as soon as `holds` is true of it; a service that isn't ready is asked again. Raises NotInTime."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with suppress(ApiNotReady):
            found = await client.sale(sale)
            if found is not None and holds(found):
                return found
        if time.monotonic() > deadline:
            raise NotInTime(f"Not within {PATIENCE_SECONDS:.0f} s: {sale} {event}.")
        await asyncio.sleep(LOOK_SECONDS)


def every_figure_is_known(sale: Document) -> bool:
    """What only the counter knows is null while its store is away."""
    return all(sale[name] is not None for name in ("remaining", "backlog", "undersold", "counter_says"))


async def when_ready(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Asks until the service is ready. For what is safe to repeat. Raises the last ApiNotReady after a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await ask()
        except ApiNotReady:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(LOOK_SECONDS)


class Looks:
    """Looks at a sale's backlog while the load runs: afterwards it would be too late to see when it became empty."""

    def __init__(self, client: SaleClient, sale: str) -> None:
        self._client = client
        self._sale = sale
        self._empty: list[tuple[float, float]] = []  # asked at, answered at (Unix seconds) of looks without backlog
        self._looked = asyncio.Event()

    async def keep_looking(self) -> None:
        while True:
            asked_at = time.time()
            with suppress(ApiUnreachable, ApiRefused):  # the crowd may be in the way just now; the next look tells
                found = await self._client.sale(self._sale)
                if found is not None and found["backlog"] == 0:
                    self._empty.append((asked_at, time.time()))
                    self._looked.set()
            await asyncio.sleep(LOOK_SECONDS)

    async def first_without_backlog(self, *, since: float) -> float | None:
        """When the first look that began after `since` and found no backlog was answered; None: not in time."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (later := [answered for asked, answered in self._empty if asked >= since]):
                    self._looked.clear()
                    await self._looked.wait()
        except TimeoutError:
            return None
        return later[0]
