"""One strategy before one crowd: stages the sale, sends the buyers, and reads what the ledger has in the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from app.lab.load.plan import LoadPlan
from app.lab.load.process import run_in_process
from app.lab.load.result import ACCEPTED, SOLD_OUT, LoadResult
from app.lab.race.contest import Contest, Contestant
from app.lab.race.figures import RaceFigures, percentiles_ms
from app.lab.race.ground import Ground
from app.lab.race.history import History
from app.lab.race.ledger import bookings_of, connected
from app.lab.race.samples import Counters, LedgerSamples, LedgerWatch, counters_of
from app.lab.sale_client import Document
from app.lab.sale_watch import every_figure_is_known, until, when_ready
from app.races.history.check import Verdict

WARM_UP = Contest(stock=20, requests=40, concurrency=40, think_ms=0)
SETTLE_SECONDS = 5.0  # what was accepted and is not in the ledger by then, in a healthy installation, never comes
EVIDENCE_SECONDS = 2.0  # attempts are written in batches, ten times a second
LOOK_SECONDS = 0.02
PLAIN = (ACCEPTED, SOLD_OUT, "customer-limit")  # answers that a buyer can live with


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`history` and `verdict` are None where the ledger can't be read."""

    contestant: Contestant
    figures: RaceFigures
    view: Document
    history: History | None
    verdict: Verdict | None


async def race(ground: Ground, contestant: Contestant, contest: Contest) -> Run:
    """Raises what client, generator and stores raise. The sale is ended afterwards, whatever happens."""
    async with staged(ground, contestant, contest) as opened_at:
        before = await counters_of(ground, contestant.name)
        result, samples = await crowd(ground, contestant, contest)
        after = await counters_of(ground, contestant.name)
        view = await settled(ground, contestant.sale, result.accepted)
        history = await written(ground, contestant, contest, [result], opened_at)
    figures = figures_of(result, view, samples, after.since(before))
    return Run(
        contestant=contestant,
        figures=figures,
        view=view,
        history=history,
        verdict=None if history is None else history.verdict(),
    )


async def warm_up(ground: Ground, contestant: Contestant) -> None:
    """Opens the pools, loads the scripts, plans the statements: the first crowd would pay for them."""
    warm = Contestant(contestant.strategy, f"{contestant.token}-warm")
    async with staged(ground, warm, WARM_UP):
        await run_in_process(plan_of(ground, warm, WARM_UP))


@asynccontextmanager
async def staged(ground: Ground, contestant: Contestant, contest: Contest) -> AsyncIterator[float]:
    """A sale that is open; yields when it was asked for, in Unix seconds."""
    opened_at = time.time()
    client = ground.client
    terms = {"name": contestant.sale, "strategy": contestant.name, "stock": contest.stock, "think_ms": contest.think_ms}
    if contest.customer_limit is not None:
        terms["customer_limit"] = contest.customer_limit
    await when_ready(lambda: client.create(terms))
    try:
        await until(client, contestant.sale, "opened", lambda sale: bool(sale["phase"] == "Open"))
        yield opened_at
    finally:
        await when_ready(lambda: client.end(contestant.sale))


def plan_of(ground: Ground, contestant: Contestant, contest: Contest, **more: Any) -> LoadPlan:
    return LoadPlan(
        url=ground.api_url,
        sale=contestant.sale,
        requests=contest.requests,
        concurrency=contest.concurrency,
        customers=contest.customers,
        retries=contest.retries,
        insist=True,
        seconds=contest.seconds,
        reply_seconds=15.0,
        records=True,
        **more,
    )


async def crowd(ground: Ground, contestant: Contestant, contest: Contest) -> tuple[LoadResult, LedgerSamples | None]:
    """The crowd, in a process of its own, while the ledger is looked at until it has what was accepted."""
    plan = plan_of(ground, contestant, contest)
    if ground.database_url is None:
        return await run_in_process(plan), None
    async with connected(ground.database_url) as connection:
        watch = LedgerWatch(connection, contestant.sale)
        looking = asyncio.create_task(watch.keep_looking())
        try:
            result = await run_in_process(plan)
            give_up_at = time.monotonic() + SETTLE_SECONDS
            while watch.samples.first_with(result.accepted) is None and time.monotonic() < give_up_at:
                await asyncio.sleep(LOOK_SECONDS)
                if looking.done():
                    looking.result()  # it ends by itself only with an error
        finally:
            looking.cancel()
            await asyncio.wait({looking})
    return result, watch.samples


async def settled(ground: Ground, sale: str, accepted: int) -> Document:
    """The sale when the ledger has all that was accepted; after SETTLE_SECONDS as it is then."""
    give_up_at = time.monotonic() + SETTLE_SECONDS

    def is_settled(view: Document) -> bool:
        if not every_figure_is_known(view):
            return False
        return (view["booked"] >= accepted and not view["backlog"]) or time.monotonic() > give_up_at

    return await until(ground.client, sale, "could be read", is_settled)


async def written(
    ground: Ground,
    contestant: Contestant,
    contest: Contest,
    results: Sequence[LoadResult],
    opened_at: float,
    *,
    crashes: Sequence[tuple[str, str, float]] = (),
) -> History | None:
    """The history of one sale that has settled. `crashes`: process, where, Unix seconds."""
    if ground.database_url is None:
        return None
    sale, history = contestant.sale, History()
    history.opened(sale, 1, contest.stock, contest.customer_limit, opened_at)
    for crash in crashes:
        history.crashed(*crash)
    for result in results:
        history.bought(result)
    async with connected(ground.database_url) as connection:
        history.bookings = await bookings_of(connection, sale)
    view = await ground.client.sale(sale)
    if view is not None and view["remaining"] is not None:
        history.counters[sale] = {"round": 1, "remaining": view["remaining"], "backlog": view["backlog"] or 0}
    if not (contestant.strategy.promises_exactness and contestant.strategy.keeps_limit):
        history.attempted(sale, await attempts_of(ground, sale, len(history.bookings)))
    return history


async def attempts_of(ground: Ground, sale: str, booked: int) -> list[Document]:
    """What the sale's purchases read and wrote, as far as that is kept. Waits until there are as many as bookings."""
    give_up_at = time.monotonic() + EVIDENCE_SECONDS
    attempts: list[Document] = []
    while True:
        page = await ground.client.attempts(sale, after=attempts[-1]["number"] if attempts else 0)
        if page is None:
            return attempts
        attempts += page
        if not page:
            if len(attempts) >= booked or time.monotonic() > give_up_at:
                return attempts
            await asyncio.sleep(LOOK_SECONDS)


def figures_of(result: LoadResult, view: Document, samples: LedgerSamples | None, counted: Counters) -> RaceFigures:
    """`view`: the sale when it had settled."""
    sold, requests = int(view["booked"]), result.plan.requests
    consistent = samples.first_with(result.accepted) if samples else None
    since_start = None if consistent is None else max(consistent - result.started_at, result.accepted_seconds)
    has_redis = bool(counted.reads)
    return RaceFigures(
        accepted=result.accepted * result.plan.quantity,
        sold=sold,
        oversold=int(view["oversold"]),
        undersold=max(0, min(int(view["stock"]), requests * result.plan.quantity) - sold),
        errors=requests - sum(result.outcomes.get(outcome, 0) for outcome in PLAIN),
        **percentiles_ms([told.latency for told in result.records]),
        accepted_per_second=result.accepted_per_second,
        persisted_per_second=sold / since_start if since_start else None,
        seconds_to_consistent=None if since_start is None else since_start - result.accepted_seconds,
        retries=counted.retries / max(1, sold),
        aborts=counted.aborts / max(1, sold),
        asked_again=sum(told.attempts - 1 for told in result.records) / requests,
        lock_wait_ms=1000 * samples.waiting_seconds / requests if samples else None,
        connections=samples.held_most if samples else None,
        connections_mean=samples.held_mean if samples else None,
        redis_calls=counted.calls / requests if has_redis else None,
        redis_reads=counted.reads / requests if has_redis else None,
    )
