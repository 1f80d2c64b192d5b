"""One run of a race: one strategy sells to one crowd, and the figures are taken."""

from dataclasses import dataclass

from app.blasts.load.process import run_in_process
from app.blasts.load.result import ACCEPTED, SOLD_OUT, LoadResult
from app.client import Document
from app.lab.race.figures import RaceFigures, percentiles_ms
from app.lab.race.history import History
from app.lab.race.ledger import connected
from app.lab.race.sale_history import collect_history
from app.lab.race.samples import SAMPLE_SECONDS, Counters, LedgerSamples, LedgerWatch, counters_of
from app.lab.race.stage import plan_of, settled, staged
from app.lab.race.target import Target
from app.lab.race.workload import Contestant, Workload
from app.lab.stack.waiting import TIMEOUT_SECONDS, in_background, poll, repeat
from app.races.history.check import Verdict

WARM_UP = Workload(stock=20, requests=40, concurrency=40, think_ms=0)
REGULAR_OUTCOMES = (ACCEPTED, SOLD_OUT, "customer-limit")  # all other outcomes are counted as errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The result of one run. `history` and `verdict` are None if the race has no access to the ledger."""

    figures: RaceFigures
    history: History | None
    verdict: Verdict | None


async def race(target: Target, contestant: Contestant, workload: Workload) -> Run:
    """Sell one sale to one crowd, and return the run. The sale is ended afterwards in any case.

    Raise the errors of the client, the load generator and the stores (see app.lab.race.failures).
    """
    async with staged(target, contestant, workload) as opened_at:
        before = await counters_of(target, contestant.name)
        result, samples = await send_crowd(target, contestant, workload)
        after = await counters_of(target, contestant.name)
        view = await settled(target, contestant, result.accepted)
        history = await collect_history(target, contestant, workload, [result], opened_at)
    return Run(
        figures=figures_of(result, view, samples, after.since(before)),
        history=history,
        verdict=None if history is None else history.verdict(),
    )


async def warm_up(target: Target, contestant: Contestant) -> None:
    """Sell a small sale first, so that pools are open, scripts loaded and statements planned when the race begins."""
    warm = Contestant(contestant.strategy, f"{contestant.token}-warm")
    async with staged(target, warm, WARM_UP):
        await run_in_process(plan_of(target, warm, WARM_UP))


async def send_crowd(
    target: Target, contestant: Contestant, workload: Workload
) -> tuple[LoadResult, LedgerSamples | None]:
    """Send the crowd from a process of its own, and sample the ledger until it has all accepted tickets.

    Return the result of the load and the samples, which are None if the race has no access to the ledger.
    """
    plan = plan_of(target, contestant, workload)
    if target.database_url is None:
        return await run_in_process(plan), None
    async with connected(target) as connection:
        watch = LedgerWatch(connection, contestant.sale)
        async with in_background(repeat(watch.sample, every_seconds=SAMPLE_SECONDS)) as sampling:
            result = await run_in_process(plan)

            async def when_all_booked() -> float | None:
                return watch.samples.first_with(result.accepted)

            await poll(when_all_booked, seconds=TIMEOUT_SECONDS, unless=sampling.done)
    return result, watch.samples


def figures_of(result: LoadResult, view: Document, samples: LedgerSamples | None, counters: Counters) -> RaceFigures:
    """Put the figures of one run together. `view` is the sale after it has settled."""
    sold, requests = int(view["booked"]), result.plan.requests
    consistent = samples.first_with(result.accepted) if samples else None
    since_start = None if consistent is None else max(consistent - result.started_at, result.accepted_seconds)
    has_redis = bool(counters.reads)
    return RaceFigures(
        stock=int(view["stock"]),
        accepted=result.accepted * result.plan.quantity,
        sold=sold,
        oversold=int(view["oversold"]),
        undersold=max(0, min(int(view["stock"]), requests * result.plan.quantity) - sold),
        errors=requests - sum(result.outcomes.get(outcome, 0) for outcome in REGULAR_OUTCOMES),
        **percentiles_ms([record.latency for record in result.records]),
        answered_per_second=result.answered_per_second,
        seconds_to_consistent=None if since_start is None else since_start - result.accepted_seconds,
        retries=counters.retries / max(1, sold),
        aborts=counters.aborts / max(1, sold),
        asked_again=sum(record.attempts - 1 for record in result.records) / requests,
        lock_wait_ms=1000 * samples.waiting_seconds / requests if samples else None,
        connections=samples.held_most if samples else None,
        connections_mean=samples.held_mean if samples else None,
        redis_calls=counters.calls / requests if has_redis else None,
        redis_reads=counters.reads / requests if has_redis else None,
    )
