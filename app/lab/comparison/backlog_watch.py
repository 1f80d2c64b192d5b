"""Watches the backlog of a sale while the load runs, because afterwards nothing shows when it became empty."""

import asyncio
import time
from contextlib import suppress

from app.client import ApiRefused, ApiUnreachable, SaleClient
from app.lab.stack import waiting


class BacklogWatch:
    """A watch on the backlog of one sale.

    The caller repeats `look` in the background; the interval is the resolution of the result.
    """

    def __init__(self, client: SaleClient, sale: str) -> None:
        self._client = client
        self._sale = sale
        self._empty: list[tuple[float, float]] = []  # Unix seconds of request and answer of each look without backlog
        self._looked = asyncio.Event()

    async def look(self) -> None:
        """Read the sale once, and note the time if it has no backlog."""
        asked_at = time.time()
        with suppress(ApiUnreachable, ApiRefused):  # the crowd may have overloaded the service; look again later
            found = await self._client.sale(self._sale)
            if found is not None and found["backlog"] == 0:
                self._empty.append((asked_at, time.time()))
                self._looked.set()

    async def first_without_backlog(self, *, since: float) -> float | None:
        """Return when the first look that began after `since` and found no backlog was answered, in Unix seconds.

        Return None if there was none within 30 s.
        """
        try:
            async with asyncio.timeout(waiting.PATIENCE_SECONDS):
                while not (later := [answered for asked, answered in self._empty if asked >= since]):
                    self._looked.clear()
                    await self._looked.wait()
        except TimeoutError:
            return None
        return later[0]
