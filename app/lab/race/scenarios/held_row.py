"""Stop a purchase that passes no failpoint: another transaction holds the row of the sale's counter.

A purchase that is one statement, or one transaction without a pause, has no line of code between reading and writing at
which it could be stopped. It must write the row of the counter, and waits there while the row is locked.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from app.lab.race.ledger import connected
from app.lab.race.samples import API_CONNECTIONS
from app.lab.race.target import OwnTarget
from app.lab.stack.waiting import poll

ARRIVES_SECONDS = 30.0  # includes the start of the load generator's process
HOLD = "SELECT 1 FROM inventory WHERE sale = $1 FOR NO KEY UPDATE"
WAITS = """
    SELECT client_port FROM pg_stat_activity
    WHERE application_name = $1 AND datname = current_database() AND wait_event_type = 'Lock'
"""

Arrival = Callable[["asyncio.Task[object]"], Awaitable[int | None]]


@asynccontextmanager
async def row_held(target: OwnTarget, sale: str) -> AsyncIterator[Arrival]:
    """Lock the row of the sale's counter, and yield a function that waits until a purchase waits for it.

    That function returns the client port of the waiting connection, or None if the buyer was answered without waiting.
    It raises TimeoutError after 30 s. Statements of the service time out after three seconds, so hold the row for less.
    """
    async with connected(target) as observer, connected(target) as holder, holder.transaction():
        await holder.execute(HOLD, sale)

        async def purchase_waits(buyer: "asyncio.Task[object]") -> int | None:
            async def waiting_port() -> int | None:
                port: int | None = await observer.fetchval(WAITS, API_CONNECTIONS)
                return port

            port = await poll(waiting_port, seconds=ARRIVES_SECONDS, unless=buyer.done)
            if port is None and not buyer.done():
                raise TimeoutError
            return port

        yield purchase_waits
