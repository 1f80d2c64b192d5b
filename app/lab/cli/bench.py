"""Measure the service on this machine, and check the thresholds of docs/benchmarks.md.

This command starts servers of its own and compares the service with a plain FastAPI application, which is called the
floor. Run it on a machine that does nothing else.
"""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from redis.asyncio import Redis

from app.lab.bench.arms import ARMS, QUICK, chosen_arms
from app.lab.bench.disk import disk_of
from app.lab.bench.interval import MAX_ROUNDS
from app.lab.bench.report import BenchReport
from app.lab.bench.rig import Rig
from app.lab.bench.run import Arm, Bench, measure, warm_up
from app.lab.bench.stage import Stage
from app.lab.bench.thresholds import THRESHOLDS
from app.lab.cli.options import HOME, JSON_FILE, NAMES, FiniteRange, number, say, write_json
from app.lab.stack.home import LabHome
from app.lab.stack.machine import describe

BENCH_HOME = Path("build/bench")
ROUNDS, QUICK_ROUNDS = 7, 2
SECONDS, QUICK_SECONDS = 3.0, 1.0


@click.command(
    help=__doc__,
    epilog="Exit code: 0 only if every threshold whose arms were measured is passed, with data on a real disk.",
)
@number(
    "--rounds",
    1,
    MAX_ROUNDS,
    show_default=f"{ROUNDS}, or {QUICK_ROUNDS} with --quick",
    help="number of rounds, in each of which every arm (one configuration) is measured",
)
@click.option(
    "--seconds",
    type=FiniteRange(0.5, 60.0),
    metavar="S",
    show_default=f"{SECONDS:g}, or {QUICK_SECONDS:g} with --quick",
    help="duration of the load in each turn",
)
@JSON_FILE
@click.option("--quick", is_flag=True, help="measure fewer arms in fewer rounds, within 90 s; this proves nothing")
@click.option(
    "--arms",
    type=NAMES,
    show_default="all",
    help=f"measure only these arms, of {', '.join(arm.name for arm in ARMS)}",
)
@click.option("--home", type=HOME, default=BENCH_HOME, help="directory for data and logs")
def command(
    *,
    rounds: int | None,
    seconds: float | None,
    json_file: Path | None,
    quick: bool,
    arms: list[str] | None,
    home: Path,
) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as after Ctrl-C, the processes are stopped
    chosen = chosen_arms(arms or (QUICK if quick else [arm.name for arm in ARMS]))
    rounds = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    seconds = seconds or (QUICK_SECONDS if quick else SECONDS)
    with Rig(LabHome(home), say) as rig:
        rig.start_groups(group for arm in chosen for group in arm.groups)
        report = asyncio.run(_measure(rig, chosen, rounds, seconds))
    say(report.text())
    if json_file is not None:
        write_json(json_file, report.as_json())
    return 0 if report.holds else 1


async def _measure(rig: Rig, arms: list[Arm], rounds: int, seconds: float) -> BenchReport:
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    redis: Redis = Redis.from_url(rig.urls["REDIS_URL"], decode_responses=True)
    try:
        stage = Stage(rig, redis)
        disks = {store: disk_of(directory) for store, directory in rig.data_directories.items()}
        facts: dict[str, Any] = describe() | {"disks": {store: disk.as_json() for store, disk in disks.items()}}
        facts["versions"] |= {"valkey": await stage.server_version()}
        bench = Bench(rig, stage, seconds)
        await warm_up(bench, arms)
        await measure(bench, arms, rounds, say)
    finally:
        await redis.aclose()
    measured = {arm.name for arm in arms}
    return BenchReport(
        started_at=started_at,
        rounds=rounds,
        seconds=seconds,
        arms={arm.name: arm.description for arm in arms},
        samples=bench.samples,
        judged=[threshold.judged(bench.samples) for threshold in THRESHOLDS if measured.issuperset(threshold.needs)],
        facts=facts,
        on_a_real_disk=all(disk.is_real for disk in disks.values()),
    )
