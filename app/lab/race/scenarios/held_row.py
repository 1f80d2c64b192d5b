"""Where a purchase that passes no named point can be stopped all the same: in the ledger, at the row it must write.

What is one statement, or one transaction without a pause, has no line of ours at which to stand between reading and
writing. It has to wait where somebody else holds the row of the sale's counter.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from app.lab.race.ledger import connected
from app.lab.race.samples import OURS
from app.lab.race.target import OwnTarget
from app.lab.stack.waiting import poll

ARRIVES_SECONDS = 30.0  # the generator's process starts meanwhile
HOLD = "SELECT 1 FROM inventory WHERE sale = $1 FOR NO KEY UPDATE"
WAITS = """
    SELECT client_port FROM pg_stat_activity
    WHERE application_name = $1 AND datname = current_database() AND wait_event_type = 'Lock'
"""

Arrival = Callable[["asyncio.Task[object]"], Awaitable[int | None]]


@asynccontextmanager
async def row_held(target: OwnTarget, sale: str) -> AsyncIterator[Arrival]:
    """Nobody else writes the sale's counter inside. Yields what waits until a purchase stands at it.

    That returns the port of the connection it came by, or None where its buyer was answered without; it raises
    TimeoutError. Statements of the service end after three seconds: hold the row shorter.
    """
    url = str(target.database_url)
    async with connected(url) as looking, connected(url) as holding, holding.transaction():
        await holding.execute(HOLD, sale)

        async def somebody_waits(buyer: "asyncio.Task[object]") -> int | None:
            async def look() -> int | None:
                port: int | None = await looking.fetchval(WAITS, OURS)
                return port

            port = await poll(look, seconds=ARRIVES_SECONDS, unless=buyer.done)
            if port is None and not buyer.done():
                raise TimeoutError
            return port

        yield somebody_waits
