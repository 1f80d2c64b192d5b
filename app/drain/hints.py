"""Send hints to the workers. A hint says that a sale has orders.

A lost hint loses no order, because every worker also sweeps all sales.

Publishing blocks (measured: 0.6 s if the broker is dead, 1.0 s if it hangs), so it runs in one thread, one hint at a
time. Sales whose hints are due in the meantime are kept in a set, whose size is bounded by the number of sales.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog
from kombu.exceptions import OperationalError

from app.drain.sender import make_sender

DRAIN_TASK = "drain_orders"
DRAIN_QUEUE = "orders"
HINT_LIFE_SECONDS = 10  # by then a sweep has found the orders
TRAILING_SECONDS = 0.3  # just over the 250 ms in which the gate reports `hint due` only once

log = structlog.get_logger()


class Hints:
    """The sender of one process's hints. Use it from one event loop."""

    def __init__(self, broker_url: str) -> None:
        self._celery = make_sender(broker_url)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hints")
        self._due: set[str] = set()
        self._trailing: dict[str, asyncio.TimerHandle] = {}
        self._publishing: asyncio.Task[None] | None = None
        self._broker_away = False

    def send(self, sale: str) -> None:
        """Request a drain of `sale`. Return at once."""
        self._due.add(sale)
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish_due())

    def send_later(self, sale: str) -> None:
        """Send a hint for `sale` after TRAILING_SECONDS, unless one is scheduled already.

        This covers the orders that were accepted after the gate last reported `hint due`.
        """
        if sale not in self._trailing:
            loop = asyncio.get_running_loop()
            self._trailing[sale] = loop.call_later(TRAILING_SECONDS, self._send_due, sale)

    def _send_due(self, sale: str) -> None:
        del self._trailing[sale]
        self.send(sale)

    async def close(self) -> None:
        """Send the outstanding hints, each once, as long as the broker answers. Then stop the thread."""
        for sale, timer in self._trailing.items():
            timer.cancel()
            self._due.add(sale)
        self._trailing.clear()
        if self._publishing is not None:
            await self._publishing
        await self._publish_due()
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._celery.close()

    async def _publish_due(self) -> None:
        loop = asyncio.get_running_loop()
        while self._due:
            sale = self._due.pop()
            try:
                await loop.run_in_executor(self._thread, self._publish, sale)
            except (OperationalError, OSError) as error:
                if not self._broker_away:
                    log.warning("the broker is away; orders wait for the workers' own sweep", error=str(error))
                self._broker_away = True
                self._due.clear()  # if the broker hangs, each would wait in vain and arrive later than the sweep
            else:
                self._broker_away = False

    def _publish(self, sale: str) -> None:
        self._celery.send_task(DRAIN_TASK, args=[sale], queue=DRAIN_QUEUE, expires=HINT_LIFE_SECONDS, retry=False)
