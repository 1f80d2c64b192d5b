"""Build the history of one sale from the buyers' answers, the bookings, the counters and the attempts."""

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


async def collect_history(
    target: Target,
    contestant: Contestant,
    workload: Workload,
    results: Sequence[LoadResult],
    opened_at: float,
    *,
    crashes: Sequence[tuple[str, str, float]] = (),
) -> History | None:
    """Collect the history of a sale that has settled. Return None if the race has no access to the ledger.

    Each crash is (process, point at which it died, Unix seconds).
    """
    if target.database_url is None:
        return None
    sale, history = contestant.sale, History()
    history.opened(sale, 1, workload.stock, workload.customer_limit, opened_at)
    for crash in crashes:
        history.crashed(*crash)
    for result in results:
        history.bought(result)
    async with connected(target) as connection:
        history.bookings = await bookings_of(connection, sale)
    # After a kill, a process that is starting may answer "not ready" at the port that all API processes share.
    view = await when_ready(partial(target.client.sale, sale))
    if view is not None and view["remaining"] is not None:
        history.counters[sale] = {"round": 1, "remaining": view["remaining"], "backlog": view["backlog"] or 0}
    if not (contestant.strategy.promises_exactness and contestant.strategy.keeps_limit):
        history.attempted(sale, await attempts_of(target, sale, len(history.bookings)))
    return history


async def attempts_of(target: Target, sale: str, booked: int) -> list[Document]:
    """Return the recorded attempts of the sale's purchases, with what each read and wrote.

    Wait up to two seconds until there is an attempt for each booking.
    """
    attempts: list[Document] = []

    async def read_all() -> bool | None:
        page: list[Document] | None = [{}]
        while page:
            after = attempts[-1]["number"] if attempts else 0
            page = await when_ready(partial(target.client.attempts, sale, after=after))
            attempts.extend(page or ())
        writers = {attempt["reservation_id"] for attempt in attempts if attempt["wrote_at"] is not None}
        return page is None or len(writers) >= booked or None

    await poll(read_all, seconds=EVIDENCE_SECONDS)
    return attempts
