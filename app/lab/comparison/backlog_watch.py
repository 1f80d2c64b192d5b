"""Poll the backlog of a sale while the load runs, because afterwards nothing shows when it became empty."""

import asyncio
import time
from contextlib import suppress

from app.client import ApiRefused, ApiUnreachable, SaleClient
from app.lab.stack import waiting


class BacklogWatch:
    """A watch on the backlog of one sale.

    The caller repeats `poll` in the background; the interval is the resolution of the result.
    """

    def __init__(self, client: SaleClient, sale: str) -> None:
        self._client = client
        self._sale = sale
        self._empty_polls: list[tuple[float, float]] = []  # request and answer of polls without backlog, Unix seconds
        self._found_empty = asyncio.Event()

    async def poll(self) -> None:
        """Read the sale once, and note the time if it has no backlog."""
        sent_at = time.time()
        with suppress(ApiUnreachable, ApiRefused):  # the crowd may have overloaded the service; the next poll follows
            sale = await self._client.sale(self._sale)
            if sale is not None and sale["backlog"] == 0:
                self._empty_polls.append((sent_at, time.time()))
                self._found_empty.set()

    async def first_without_backlog(self, *, since: float) -> float | None:
        """Return when the first poll that began after `since` and found no backlog was answered, in Unix seconds.

        Return None if there was none within 30 s.
        """
        try:
            async with asyncio.timeout(waiting.TIMEOUT_SECONDS):
                while not (later := [answered_at for sent_at, answered_at in self._empty_polls if sent_at >= since]):
                    self._found_empty.clear()
                    await self._found_empty.wait()
        except TimeoutError:
            return None
        return later[0]
