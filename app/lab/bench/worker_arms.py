"""The arms in which orders reach the ledger. Celery workers run as in the lab."""

from statistics import median
from time import perf_counter

import psutil

from app.blasts.load.plan import LoadPlan
from app.blasts.load.result import ACCEPTED, LoadResult
from app.errors import AtomicTicketsError
from app.lab.bench.follow import drained_per_second, following, persisted_share
from app.lab.bench.load import BUYERS, REPLY_SECONDS, closed_loop, load
from app.lab.bench.memory import Peaks, watching_memory
from app.lab.bench.rig import API_1, API_2, Group, RunningGroup
from app.lab.bench.run import Bench
from app.lab.bench.sample import Sample
from app.lab.bench.thresholds import SOAK_ORDERS
from app.lab.bench.usage import Usage, cpu_seconds

DRAIN_ORDERS = 20_000
WARMING_SHARE = 1 / 3  # share of a steady window that is not counted: the worker gets its first hint and batches
SEEDINGS = 10  # sales of each size in a round, whose medians are compared
FEW, MANY = 10, 10_000_000


class SaleVanished(AtomicTicketsError):
    """The sale of a measurement does not exist any more."""

    status, slug, title = 500, "sale-vanished", "Sale Vanished"


async def drain(bench: Bench) -> Sample:
    """Measure how fast one worker process books a backlog, from its first booking, so without its start."""
    async with bench.stage.sale("drain") as sale:
        group = bench.rig.group(API_1)
        loaded = await load(bench.rig, group, order_plan(group, sale, DRAIN_ORDERS))
        last_accepted = last_acceptance(loaded.first)
        async with following(bench.stage, sale) as follower, bench.rig.workers(1) as workers:
            usage = Usage([bench.rig.stock_server])
            booked_at = await follower.until_booked(last_accepted)
            usage.stop()
            spent = sum(cpu_of_tree(worker) for worker in workers)
        return Sample(
            arm="drain",
            round=bench.round,
            per_second=drained_per_second([reading for reading in follower.readings if reading.at <= booked_at]),
            foreign=usage.foreign,
            figures={
                "orders": loaded.count(ACCEPTED),
                "worker_cpu_us_per_order": spent / DRAIN_ORDERS * 1e6,
                **await ledger_figures(bench, sale),
            },
            doubts=loaded.doubts(ACCEPTED),
        )


async def steady(bench: Bench) -> Sample:
    return await sell_and_book(bench, "steady", API_1, 1)


async def steady_2(bench: Bench) -> Sample:
    return await sell_and_book(bench, "steady-2", API_2, 2)


async def sell_and_book(bench: Bench, arm: str, served: Group, workers: int) -> Sample:
    """Measure acceptances while workers book. The backlog shows whether the workers keep up."""
    group = bench.rig.group(served)
    async with (
        bench.rig.workers(workers),
        bench.stage.sale(arm) as sale,
        following(bench.stage, sale) as follower,
    ):
        loaded = await load(bench.rig, group, closed_loop(group.url, sale, 2 * bench.seconds, BUYERS))
        begun, last_accepted = loaded.first.started_at, last_acceptance(loaded.first)
        booked_at = await follower.until_booked(last_accepted)
        counted_from = begun + WARMING_SHARE * loaded.seconds
        window = [reading for reading in follower.readings if counted_from <= reading.at <= last_accepted]
        share = persisted_share(window)
        per_second = loaded.count(ACCEPTED) / loaded.seconds
        return Sample(
            arm=arm,
            round=bench.round,
            per_second=per_second,
            foreign=loaded.foreign,
            latency=loaded.first.latency,
            figures={
                "api_cores": sum(loaded.cores),
                "api_cpu_us_per_answer": loaded.api_cpu_us,
                "persisted_share": share,
                "persisted_per_second": share * per_second,
                "backlog_at_end": window[-1].backlog,
                "backlog_at_most": max(reading.backlog for reading in window),
                "seconds_to_booked": booked_at - last_accepted,
                **await ledger_figures(bench, sale),
            },
            doubts=loaded.doubts(ACCEPTED),
        )


async def soak(bench: Bench) -> Sample:
    """Sell and book all tickets of a large sale, and measure the peak memory of each process."""
    group = bench.rig.group(API_1)
    async with bench.rig.workers(1) as workers, bench.stage.sale("soak", stock=SOAK_ORDERS) as sale:
        peaks = Peaks(group.processes, workers)
        async with following(bench.stage, sale) as follower, watching_memory(peaks):
            loaded = await load(bench.rig, group, order_plan(group, sale, SOAK_ORDERS))
            booked_at = await follower.until_booked(last_acceptance(loaded.first))
        return Sample(
            arm="soak",
            round=bench.round,
            per_second=loaded.count(ACCEPTED) / loaded.seconds,
            foreign=loaded.foreign,
            latency=loaded.first.latency,
            figures={
                "accepted": loaded.count(ACCEPTED),
                "seconds_to_booked": booked_at - last_acceptance(loaded.first),
                "persisted_per_second": SOAK_ORDERS / (booked_at - loaded.first.started_at),
                "backlog_at_most": max(reading.backlog for reading in follower.readings),
                **peaks.megabytes,
                **await ledger_figures(bench, sale),
            },
            doubts=loaded.doubts(ACCEPTED),
        )


async def seeding(bench: Bench) -> Sample:
    """Measure the time to create small and large sales in turn over HTTP, which includes ledger, gate and recount."""
    seconds: dict[int, list[float]] = {FEW: [], MANY: []}
    usage = Usage([])
    for _ in range(SEEDINGS):
        for stock, measured in seconds.items():
            begun = perf_counter()
            await bench.stage.create("seeding", stock)
            measured.append(perf_counter() - begun)
    usage.stop()
    few, many = (median(measured) for measured in seconds.values())
    figures = {"few_ms": few * 1000, "many_ms": many * 1000, "times": many / few}
    return Sample(
        arm="seeding", round=bench.round, per_second=1 / median([few, many]), foreign=usage.foreign, figures=figures
    )


def order_plan(group: RunningGroup, sale: str, count: int) -> LoadPlan:
    """Return a load of this many purchases by 100 buyers."""
    return LoadPlan(
        url=group.url, sale=sale, requests=count, concurrency=BUYERS, seconds=300, reply_seconds=REPLY_SECONDS
    )


def last_acceptance(result: LoadResult) -> float:
    """Return the time of the last acceptance, in Unix seconds."""
    return result.started_at + result.accepted_seconds


async def ledger_figures(bench: Bench, sale: str) -> dict[str, float]:
    """Return the tickets booked in the ledger, and the drift of the identity in tickets. Raise SaleVanished."""
    view = await bench.stage.client.sale(sale)
    if view is None:
        raise SaleVanished(f"The sale {sale!r} does not exist any more.")
    identity = view["identity"]
    parts = sum(identity[part] for part in ("remaining", "backlog", "set_aside", "booked"))
    return {"booked": view["booked"], "drift": abs(identity["stock"] - parts)}


def cpu_of_tree(process: psutil.Process) -> float:
    """Return the CPU time of a process and its descendants, in seconds."""
    return sum(map(cpu_seconds, (process, *process.children(recursive=True))))
