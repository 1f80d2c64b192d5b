"""The scenarios of `atomictickets lab --once`: a strategy that races and one that does not sell to the same crowd.

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
from app.blasts.witnesses import read, when_complete
from app.client import Document, SaleClient
from app.errors import AtomicTicketsError
from app.lab.comparison.backlog_watch import BacklogWatch
from app.lab.comparison.figures import Identity, ScenarioFigures
from app.lab.comparison.report import ComparisonReport
from app.lab.stack.machine import machine, versions
from app.lab.stack.sales import every_figure_is_known, is_open, until
from app.lab.stack.waiting import LOOK_SECONDS, in_background, repeat

READERS = 8
ENDED = ("Draining", "Closed")  # creating it again starts its next round; a reset is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
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


SCENARIOS = (
    Scenario(sale="naive-drop", strategy="naive", promises_exactness=False, stock=10),
    Scenario(sale="atomic-drop", strategy="atomic", promises_exactness=True, stock=10),
    Scenario(sale="naive-single", strategy="naive", promises_exactness=False, stock=1),
    Scenario(sale="atomic-single", strategy="atomic", promises_exactness=True, stock=1),
)


class ScenarioFailed(AtomicTicketsError):
    """A scenario could not be staged or read, so its claims were not checked."""

    status, slug, title = 500, "scenario-failed", "Scenario Failed"


async def run_all(api_url: str, *, progress: Callable[[str], None], admin_token: str | None = None) -> ComparisonReport:
    """Run every scenario in turn, each in a new round, and return the report.

    Raise ScenarioFailed, and the errors of the client and of the load generator.
    """
    client = SaleClient(api_url, admin_token)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    figures = []
    for scenario in SCENARIOS:
        progress(
            f"{scenario.sale}: {scenario.requests} buyers at once, stock {scenario.stock}, strategy {scenario.strategy}"
        )
        figures.append(await run_one(api_url, client, scenario))
    return ComparisonReport(scenarios=tuple(figures), started_at=started_at, machine=machine(), versions=versions())


async def run_one(api_url: str, client: SaleClient, scenario: Scenario) -> ScenarioFigures:
    """Stage one scenario, send its crowd, and return the figures."""
    await stage(client, scenario)
    watch = BacklogWatch(client, scenario.sale)
    async with in_background(repeat(watch.look, every_seconds=LOOK_SECONDS)):
        result = await run_in_process(
            LoadPlan(
                url=api_url,
                sale=scenario.sale,
                requests=scenario.requests,
                concurrency=scenario.concurrency,
                records=True,
                trace_ratio=trace_ratio_of(scenario.strategy, None),
            )
        )
        last_accepted_at = result.started_at + result.accepted_seconds
        consistent_at = await watch.first_without_backlog(since=last_accepted_at)
    settled = await until(client, scenario.sale, "readable", every_figure_is_known)
    missing = await count_not_booked(client, result.records)
    figures = figures_of(scenario, result, settled, consistent_at=consistent_at, accepted_but_not_booked=missing)
    written = 0 if scenario.promises_exactness else result.accepted - result.replayed
    return replace(figures, witnesses=await when_complete(partial(read, client, scenario.sale), written))


async def stage(client: SaleClient, scenario: Scenario) -> None:
    """Create the sale or start its next round, and wait until it is open.

    Raise ScenarioFailed if there is a sale of this name with other terms.
    """
    found = await client.sale(scenario.sale)
    if found is None or found["phase"] in ENDED:
        await client.create(scenario.terms)
    elif any(found.get(name) != value for name, value in scenario.terms.items()):
        raise ScenarioFailed(f"The sale {scenario.sale} exists already, with other terms. Choose another --home.")
    else:
        await client.reset(scenario.sale)
    await until(client, scenario.sale, "opened", is_open)


async def count_not_booked(client: SaleClient, records: tuple[PurchaseRecord, ...]) -> int:
    """Return the number of accepted reservations that have no booking in the ledger."""
    slots = asyncio.Semaphore(READERS)

    async def is_booked(told: PurchaseRecord) -> bool:
        async with slots:
            found = None if told.reservation_id is None else await client.reservation(told.reservation_id)
            return found is not None and found["status"] == "booked"

    accepted = [told for told in records if told.outcome == ACCEPTED]
    return (await asyncio.gather(*map(is_booked, accepted))).count(False)


def figures_of(
    scenario: Scenario,
    result: LoadResult,
    sale: Document,
    *,
    consistent_at: float | None,
    accepted_but_not_booked: int,
) -> ScenarioFigures:
    """Put the figures together from the answers of the buyers (`result`) and the state of the sale afterwards."""
    accepted = [told for told in result.records if told.outcome == ACCEPTED]
    booked, identity = int(sale["booked"]), sale["identity"]
    until_consistent = None if consistent_at is None else consistent_at - result.started_at
    return ScenarioFigures(
        sale=scenario.sale,
        strategy=str(sale["strategy"]),
        promises_exactness=scenario.promises_exactness,
        stock=int(sale["stock"]),
        requests=scenario.requests,
        concurrency=result.plan.connections,
        accepted=result.accepted,
        sold_out=result.sold_out,
        errors=scenario.requests - result.accepted - result.sold_out,
        booked=booked,
        oversold=int(sale["oversold"]),
        undersold=int(sale["undersold"]),
        counter_says=int(sale["counter_says"]),
        duplicates=int(sale["duplicates"]),
        accepted_but_not_booked=accepted_but_not_booked,
        accepted_twice=2 * len(accepted)
        - len({told.reservation_id for told in accepted})
        - len({told.customer for told in accepted}),
        latency=result.latency,
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
