"""The arms that measure the API: answers per second, latencies and CPU time. No worker runs in them."""

from app.blasts.load.plan import LoadPlan
from app.blasts.load.result import ACCEPTED, SOLD_OUT
from app.lab.bench.load import BUYERS, CROWD, Loaded, closed_loop, load
from app.lab.bench.rig import API_1, API_2, CONSTANT, FLOOR_1, FLOOR_2, Group
from app.lab.bench.run import Bench
from app.lab.bench.sample import Sample

OPEN_LOOP_SHARE = 0.7
OPEN_LOOP_BUYERS = 400  # enough connections that a scheduled request finds a free one


async def floor(bench: Bench) -> Sample:
    return await constant_answers(bench, "floor", FLOOR_1)


async def floor_doubled(bench: Bench) -> Sample:
    """Measure the floor with two generators that share the buyers. If it rises, one generator was the limit."""
    group = bench.rig.group(FLOOR_1)
    half = closed_loop(group.url, "bench", bench.seconds, CROWD // 2)
    other = closed_loop(group.url, "bench", bench.seconds, CROWD // 2)
    return sample_of(bench, "floor-doubled", await load(bench.rig, group, half, other), ACCEPTED)


async def floor_2(bench: Bench) -> Sample:
    return await constant_answers(bench, "floor-2", FLOOR_2)


async def constant_gate(bench: Bench) -> Sample:
    async with bench.stage.sale("constant-gate") as sale:
        group = bench.rig.group(CONSTANT)
        return sample_of(
            bench,
            "constant-gate",
            await load(bench.rig, group, closed_loop(group.url, sale, bench.seconds)),
            ACCEPTED,
        )


async def constant_answers(bench: Bench, arm: str, served: Group) -> Sample:
    group = bench.rig.group(served)
    return sample_of(bench, arm, await load(bench.rig, group, closed_loop(group.url, "bench", bench.seconds)), ACCEPTED)


async def purchases(bench: Bench) -> Sample:
    return await accepted(bench, "purchases", API_1)


async def buyers_100(bench: Bench) -> Sample:
    """Measure the latency of 100 buyers, who are too few to keep the API busy while the stock server syncs."""
    return await accepted(bench, "buyers-100", API_1, buyers=BUYERS)


async def purchases_2(bench: Bench) -> Sample:
    return await accepted(bench, "purchases-2", API_2)


async def purchases_everysec(bench: Bench) -> Sample:
    await bench.stage.set_appendfsync("everysec")
    try:
        return await accepted(bench, "purchases-everysec", API_1)
    finally:
        await bench.stage.set_appendfsync("always")


async def accepted(bench: Bench, arm: str, served: Group, buyers: int = CROWD) -> Sample:
    """Measure accepted purchases, and the bytes of an order in memory and in the append-only file."""
    async with bench.stage.sale(arm) as sale:
        group = bench.rig.group(served)
        log_before, rewrites_before = await bench.stage.log_bytes()
        loaded = await load(bench.rig, group, closed_loop(group.url, sale, bench.seconds, buyers))
        log_after, rewrites = await bench.stage.log_bytes()
        orders = max(1, loaded.count(ACCEPTED))
        sizes = await bench.stage.bytes_by_key(sale)
        figures = {f"memory_{kind}_bytes_per_order": size / orders for kind, size in sizes.items() if kind != "sale"}
        figures["memory_bytes_per_order"] = sum(sizes.values()) / orders
        if rewrites == rewrites_before:
            figures["log_bytes_per_order"] = (log_after - log_before) / orders
        return sample_of(bench, arm, loaded, ACCEPTED, figures=figures, saturating=buyers == CROWD)


async def sold_out(bench: Bench) -> Sample:
    async with bench.stage.sale("sold-out", stock=1) as sale:
        group = bench.rig.group(API_1)
        await load(bench.rig, group, LoadPlan(url=group.url, sale=sale, requests=1))
        loaded = await load(bench.rig, group, closed_loop(group.url, sale, bench.seconds))
        return sample_of(bench, "sold-out", loaded, SOLD_OUT)


async def tickets_10(bench: Bench) -> Sample:
    return await crowd(bench, 10)


async def tickets_1000(bench: Bench) -> Sample:
    return await crowd(bench, 1_000)


async def tickets_100000(bench: Bench) -> Sample:
    return await crowd(bench, 100_000)


async def crowd(bench: Bench, stock: int) -> Sample:
    """Measure all answers of a sale with this stock, accepted and sold out, in its first seconds."""
    arm = f"tickets-{stock}"
    async with bench.stage.sale(arm, stock=stock) as sale:
        group = bench.rig.group(API_1)
        loaded = await load(bench.rig, group, closed_loop(group.url, sale, bench.seconds))
        sold = loaded.count(ACCEPTED)
        return sample_of(bench, arm, loaded, ACCEPTED, SOLD_OUT, figures={"accepted": sold, "stock": stock})


async def open_loop(bench: Bench) -> Sample:
    """Measure latency from the scheduled time of each request, at 70 % of the rate of `purchases` in this round."""
    rate = OPEN_LOOP_SHARE * bench.rate("purchases")
    async with bench.stage.sale("open-loop") as sale:
        group = bench.rig.group(API_1)
        plan = LoadPlan(
            url=group.url,
            sale=sale,
            rate=rate,
            requests=max(1, int(rate * bench.seconds)),
            concurrency=OPEN_LOOP_BUYERS,
            seconds=bench.seconds + 10,
        )
        loaded = await load(bench.rig, group, plan)
        figures = {"rate": rate, "generator_lag_p99_ms": loaded.first.lag.p99 * 1000}
        return sample_of(bench, "open-loop", loaded, ACCEPTED, figures=figures, saturating=False)


def sample_of(
    bench: Bench,
    arm: str,
    loaded: Loaded,
    *expected: str,
    figures: dict[str, float] | None = None,
    saturating: bool = True,
) -> Sample:
    """Return the sample of a load. `saturating`: whether the API should have been the limit of the rate."""
    return Sample(
        arm=arm,
        round=bench.round,
        per_second=sum(map(loaded.count, expected)) / loaded.seconds,
        cores=loaded.cores if saturating else (),
        foreign=loaded.foreign,
        latency=loaded.first.latency,
        figures={
            "api_cores": sum(loaded.cores),
            "api_cpu_us_per_answer": loaded.api_cpu_us,
            "stock_server_cpu_us_per_answer": loaded.stock_server_cpu_us,
        }
        | (figures or {}),
        doubts=loaded.doubts(*expected),
    )
