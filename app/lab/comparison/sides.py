"""The sides of `atomictickets lab --once`: the same crowd buys from a strategy that races and from one that does not.

They use the service over HTTP only.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from app.blasts.load.plan import LoadPlan
from app.blasts.load.process import run_in_process
from app.blasts.load.result import ACCEPTED, LoadResult, PurchaseRecord
from app.blasts.trace_ratio import trace_ratio_of
from app.blasts.witnesses import read_witnesses, wait_until_complete
from app.client import Document, SaleClient
from app.errors import AtomicTicketsError
from app.lab.comparison.backlog_watch import BacklogWatch
from app.lab.comparison.figures import Identity, SideFigures
from app.lab.comparison.report import ComparisonReport
from app.lab.stack.machine import machine, versions
from app.lab.stack.sales import every_figure_is_known, is_open, until
from app.lab.stack.waiting import POLL_SECONDS, in_background, repeat

READERS = 8
ENDED = ("Draining", "Closed")  # creating it again starts its next round; a reset is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A sale and the crowd that is sent to it. `promises_exactness` decides which claims are checked."""

    sale: str
    strategy: str
    promises_exactness: bool
    stock: int
    requests: int = 100
    concurrency: int = 100
    think_ms: int = 50

    @property
    def terms(self) -> dict[str, Any]:
        return {"name": self.sale, "strategy": self.strategy, "stock": self.stock, "think_ms": self.think_ms}


SIDES = (
    Side(sale="naive-drop", strategy="naive", promises_exactness=False, stock=10),
    Side(sale="atomic-drop", strategy="atomic", promises_exactness=True, stock=10),
    Side(sale="naive-single", strategy="naive", promises_exactness=False, stock=1),
    Side(sale="atomic-single", strategy="atomic", promises_exactness=True, stock=1),
)


class SideFailed(AtomicTicketsError):
    """A side could not be staged or read, so its claims were not checked."""

    status, slug, title = 500, "side-failed", "Side Failed"


async def run_all(api_url: str, *, progress: Callable[[str], None], admin_token: str | None = None) -> ComparisonReport:
    """Run every side in turn, each in a new round, and return the report.

    Raise SideFailed, and the errors of the client and of the load generator.
    """
    client = SaleClient(api_url, admin_token)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    figures = []
    for side in SIDES:
        progress(f"{side.sale}: {side.requests} buyers at once, stock {side.stock}, strategy {side.strategy}")
        figures.append(await run_one(api_url, client, side))
    return ComparisonReport(sides=tuple(figures), started_at=started_at, machine=machine(), versions=versions())


async def run_one(api_url: str, client: SaleClient, side: Side) -> SideFigures:
    """Stage one side, send its crowd, and return the figures."""
    await stage(client, side)
    watch = BacklogWatch(client, side.sale)
    async with in_background(repeat(watch.poll, every_seconds=POLL_SECONDS)):
        result = await run_in_process(
            LoadPlan(
                url=api_url,
                sale=side.sale,
                requests=side.requests,
                concurrency=side.concurrency,
                records=True,
                trace_ratio=trace_ratio_of(side.strategy, None),
            )
        )
        last_accepted_at = result.started_at + result.accepted_seconds
        consistent_at = await watch.first_without_backlog(since=last_accepted_at)
    settled = await until(client, side.sale, "readable", every_figure_is_known)
    missing = await count_not_booked(client, result.records)
    figures = figures_of(side, result, settled, consistent_at=consistent_at, accepted_but_not_booked=missing)
    written = 0 if side.promises_exactness else result.accepted - result.replayed
    return replace(figures, witnesses=await wait_until_complete(partial(read_witnesses, client, side.sale), written))


async def stage(client: SaleClient, side: Side) -> None:
    """Create the sale or start its next round, and wait until it is open.

    Raise SideFailed if there is a sale of this name with other terms.
    """
    found = await client.sale(side.sale)
    if found is None or found["phase"] in ENDED:
        await client.create(side.terms)
    elif any(found.get(name) != value for name, value in side.terms.items()):
        raise SideFailed(f"The sale {side.sale} exists already, with other terms. Choose another --home.")
    else:
        await client.reset(side.sale)
    await until(client, side.sale, "opened", is_open)


async def count_not_booked(client: SaleClient, records: tuple[PurchaseRecord, ...]) -> int:
    """Return the number of accepted reservations that have no booking in the ledger."""
    slots = asyncio.Semaphore(READERS)

    async def is_booked(record: PurchaseRecord) -> bool:
        async with slots:
            found = None if record.reservation_id is None else await client.reservation(record.reservation_id)
            return found is not None and found["status"] == "booked"

    accepted = [record for record in records if record.outcome == ACCEPTED]
    return (await asyncio.gather(*map(is_booked, accepted))).count(False)


def figures_of(
    side: Side,
    result: LoadResult,
    sale: Document,
    *,
    consistent_at: float | None,
    accepted_but_not_booked: int,
) -> SideFigures:
    """Put the figures together from the answers of the buyers (`result`) and the state of the sale afterwards."""
    accepted = [record for record in result.records if record.outcome == ACCEPTED]
    booked, identity = int(sale["booked"]), sale["identity"]
    until_consistent = None if consistent_at is None else consistent_at - result.started_at
    return SideFigures(
        sale=side.sale,
        strategy=str(sale["strategy"]),
        promises_exactness=side.promises_exactness,
        stock=int(sale["stock"]),
        requests=side.requests,
        concurrency=result.plan.connections,
        accepted=result.accepted,
        sold_out=result.sold_out,
        errors=side.requests - result.accepted - result.sold_out,
        booked=booked,
        oversold=int(sale["oversold"]),
        undersold=int(sale["undersold"]),
        counter_says=int(sale["counter_says"]),
        duplicates=int(sale["duplicates"]),
        accepted_but_not_booked=accepted_but_not_booked,
        accepted_twice=2 * len(accepted)
        - len({record.reservation_id for record in accepted})
        - len({record.customer for record in accepted}),
        latency=result.latency,
        answered_per_second=result.answered_per_second,
        accepted_per_second=result.accepted_per_second,
        persisted_per_second=booked / until_consistent if until_consistent else 0.0,
        seconds_to_consistent=None if until_consistent is None else until_consistent - result.accepted_seconds,
        identity=Identity(
            stock=int(identity["stock"]),
            remaining=int(identity["remaining"]),
            backlog=int(identity["backlog"]),
            booked=int(identity["booked"]),
        ),
    )
