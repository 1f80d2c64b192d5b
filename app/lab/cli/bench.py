"""`atomictickets bench`: measures the service on this machine and checks the thresholds of docs/benchmarks.md.

It starts servers of its own and compares the service with a plain FastAPI application, which is called the floor. Run
it on a machine that does nothing else.
"""

import argparse
import asyncio
import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis

from app.lab.bench.arms import ARMS, QUICK, chosen_arms
from app.lab.bench.disk import disk_of
from app.lab.bench.interval import MAX_ROUNDS
from app.lab.bench.report import BenchReport
from app.lab.bench.rig import Rig
from app.lab.bench.run import Arm, Bench, measure, warm_up
from app.lab.bench.stage import Stage
from app.lab.bench.thresholds import THRESHOLDS
from app.lab.cli.options import between, names, say
from app.lab.stack.home import LabHome
from app.lab.stack.machine import describe

if TYPE_CHECKING:
    from app.lab.cli.options import Subparsers

HOME = Path("build/bench")
QUICK_ROUNDS, QUICK_SECONDS = 2, 1.0


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command `bench`."""
    parser = subparsers.add_parser(
        "bench",
        description=__doc__,
        epilog="Exit code: 0 only if every threshold whose arms were measured is passed, with data on a real disk.",
    )
    add = parser.add_argument
    add("--rounds", type=between(1, MAX_ROUNDS), default=None, metavar="N", help="turns of each arm (default: 7)")
    add(
        "--seconds",
        type=between(0.5, 60.0),
        default=None,
        metavar="S",
        help="duration of the load in each turn (default: 3)",
    )
    add(
        "--json",
        type=Path,
        default=Path("build/bench.json"),
        metavar="FILE",
        help="file for the report (default: %(default)s)",
    )
    add("--quick", action="store_true", help="measure fewer arms in fewer rounds, within 90 s; this proves nothing")
    arms = ", ".join(arm.name for arm in ARMS)
    add("--arms", type=names, default=None, metavar="A,B", help=f"measure only these arms (default: all, {arms})")
    add("--home", type=Path, default=HOME, help="directory for data and logs (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command, and return the exit code: 0 only if every threshold whose arms were chosen is passed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as after Ctrl-C, the processes are stopped
    arms = chosen_arms(args.arms or (QUICK if args.quick else [arm.name for arm in ARMS]))
    rounds = args.rounds or (QUICK_ROUNDS if args.quick else 7)
    seconds = args.seconds or (QUICK_SECONDS if args.quick else 3.0)
    with Rig(LabHome(args.home), say) as rig:
        rig.start_groups(group for arm in arms for group in arm.groups)
        report = asyncio.run(_measure(rig, arms, rounds, seconds))
    say(report.text())
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(report.as_json(), indent=2) + "\n")
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
