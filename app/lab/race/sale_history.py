"""What a race leaves behind: the history of one sale, from what was told, what is booked, and what was attempted."""

from collections.abc import Sequence
from functools import partial

from app.blasts.load.result import LoadResult
from app.client import Document
from app.lab.race.history import History
from app.lab.race.ledger import bookings_of, connected
from app.lab.race.target import Target
from app.lab.race.workload import Contestant, Workload
from app.lab.stack.sales import when_ready
from app.lab.stack.waiting import poll

EVIDENCE_SECONDS = 2.0  # attempts are written in batches, ten times a second


async def written(
    target: Target,
    contestant: Contestant,
    workload: Workload,
    results: Sequence[LoadResult],
    opened_at: float,
    *,
    crashes: Sequence[tuple[str, str, float]] = (),
) -> History | None:
    """The history of one sale that has settled. `crashes`: process, where, Unix seconds."""
    if target.database_url is None:
        return None
    sale, history = contestant.sale, History()
    history.opened(sale, 1, workload.stock, workload.customer_limit, opened_at)
    for crash in crashes:
        history.crashed(*crash)
    for result in results:
        history.bought(result)
    async with connected(target.database_url) as connection:
        history.bookings = await bookings_of(connection, sale)
    # A process that was killed answers "not ready" while it starts, at the port that it shares with the others.
    view = await when_ready(partial(target.client.sale, sale))
    if view is not None and view["remaining"] is not None:
        history.counters[sale] = {"round": 1, "remaining": view["remaining"], "backlog": view["backlog"] or 0}
    if not (contestant.strategy.promises_exactness and contestant.strategy.keeps_limit):
        history.attempted(sale, await attempts_of(target, sale, len(history.bookings)))
    return history


async def attempts_of(target: Target, sale: str, booked: int) -> list[Document]:
    """What the sale's purchases read and wrote, as far as that is kept. Waits until each booking has its own."""
    attempts: list[Document] = []

    async def all_read() -> bool | None:
        page: list[Document] | None = [{}]
        while page:
            after = attempts[-1]["number"] if attempts else 0
            page = await when_ready(partial(target.client.attempts, sale, after=after))
            attempts.extend(page or ())
        wrote = {attempt["reservation_id"] for attempt in attempts if attempt["wrote_at"] is not None}
        return page is None or len(wrote) >= booked or None

    await poll(all_read, seconds=EVIDENCE_SECONDS)
    return attempts
