"""`atomictickets race`: sells the same stock to the same crowd by each strategy,
one after another, and checks what was sold against the ledger. With --scenario
it breaks something that the strategies rely on, such as a process or a lock.
"""

import argparse
import asyncio
import signal
import textwrap
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.api.lab_control import RACE_REPORT
from app.blasts.load.plan import MAX_CONCURRENCY, MAX_REQUESTS
from app.lab.cli.options import between, file_to_write, names, processes, say
from app.lab.race.output import PlayedScenario, RaceReport
from app.lab.race.page import refuse_without_marks, section_name, write_page
from app.lab.race.plain_race import Race, race_all
from app.lab.race.scenarios.catalog import SCENARIOS, play
from app.lab.race.target import OwnTarget, Target, given_target
from app.lab.race.workload import CROWD, UnknownChoice, Workload, chosen_strategies
from app.lab.stack.home import DEFAULT_HOME, LabHome, write_private_json
from app.lab.stack.supervised import supervised
from app.sales.model import MAX_STOCK, MAX_THINK_MS
from app.settings import GivenStores
from app.strategies.dependencies import RegisteredStrategy
from app.strategies.registry import STRATEGIES

if TYPE_CHECKING:
    from app.lab.cli.options import Subparsers

    Strategies = Sequence[type[RegisteredStrategy]]

HOME = Path("build/race")
DEFAULT = "default: %(default)s"
EXIT_CODE = (
    "Exit code: 0 if every strategy could be raced, every one that promises to be exact\n"
    "was exact in every run of the crowd, and every scenario could be played; 1 otherwise."
)


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command `race`."""
    defaults = Workload()
    parser = subparsers.add_parser(
        "race",
        description=__doc__,
        epilog=epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--strategies",
        type=names,
        default=[],
        metavar="A,B",
        help="strategies to race, from the list below (default: all)",
    )
    add(
        "--scenario",
        type=names,
        default=[CROWD],
        metavar="A,B",
        help="scenarios to play, from the list below, or all (default: crowd)",
    )
    crowd = parser.add_argument_group("crowd", "The scenarios below have crowds of their own.").add_argument
    crowd(
        "--stock", type=between(1, MAX_STOCK), default=defaults.stock, metavar="N", help=f"tickets for sale ({DEFAULT})"
    )
    crowd(
        "--requests", type=between(1, MAX_REQUESTS), default=defaults.requests, metavar="N", help=f"buyers ({DEFAULT})"
    )
    crowd(
        "--concurrency",
        type=between(1, MAX_CONCURRENCY),
        default=defaults.concurrency,
        metavar="N",
        help=f"buyers at the same time ({DEFAULT})",
    )
    crowd(
        "--think-ms",
        type=between(0, MAX_THINK_MS),
        default=defaults.think_ms,
        metavar="MS",
        help=f"pause between read and write, for strategies that have one ({DEFAULT})",
    )
    crowd("--repeat", type=between(1, 1000), default=1, metavar="N", help=f"runs of each strategy ({DEFAULT})")
    crowd("--url", help="race against the service at this address; DATABASE_URL and REDIS_URL name its stores")
    own = parser.add_argument_group("servers", "Without --url the command starts servers of its own.").add_argument
    own("--api-processes", type=processes, default=2, metavar="N", help=f"number of API processes ({DEFAULT})")
    own("--workers", type=processes, default=1, metavar="N", help=f"number of workers ({DEFAULT})")
    own("--home", type=Path, default=HOME, help=f"directory for data and logs ({DEFAULT})")
    files = parser.add_argument_group("reports", "The report is also printed.").add_argument
    files(
        "--lab",
        type=Path,
        default=DEFAULT_HOME,
        metavar="HOME",
        help=f"store the report of the crowd in the home of this lab, for its dashboard ({DEFAULT}, if it exists)",
    )
    files("--json", type=file_to_write, metavar="FILE", help="write the whole report to this file, as JSON")
    files(
        "--history",
        type=file_to_write,
        metavar="FILE",
        help="write all requests, answers and bookings to this file, for `atomictickets check`",
    )
    files(
        "--write",
        type=file_to_write,
        metavar="PAGE",
        help="write the tables into this Markdown file, between its marks",
    )
    parser.set_defaults(run=run)


def epilog() -> str:
    """Return the end of the help text: the strategies, the scenarios and the exit code."""
    strategies = textwrap.wrap(", ".join(STRATEGIES), width=76, break_on_hyphens=False)
    scenarios = [f"  {CROWD:<15} the plain race: many buyers at once, nothing breaks"]
    scenarios += [f"  {name:<15} {scenario.summary}" for name, scenario in SCENARIOS.items()]
    return "\n".join(
        ["strategies:", *(f"  {line}" for line in strategies), "", "scenarios:", *scenarios, "", EXIT_CODE]
    )


def run(args: argparse.Namespace) -> int:
    """Run the command, and return the exit code. Raise UnknownChoice or NoMarks before anything is started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as after Ctrl-C, the processes are stopped
    strategies = chosen_strategies(args.strategies)
    scenarios = chosen_scenarios(args.scenario, remote=args.url is not None)
    workload = Workload(stock=args.stock, requests=args.requests, concurrency=args.concurrency, think_ms=args.think_ms)
    if args.write:
        refuse_without_marks(args.write, [section_name(name, workload) for name in scenarios])
    report = RaceReport(workload=workload, repeat=args.repeat, api_processes=args.api_processes)
    if CROWD in scenarios:
        say(f"crowd: {workload.requests} buyers, {workload.concurrency} at once, for {workload.stock} tickets")
        report.race = run_plain_race(args, strategies, workload)
    for faults in (False, True):
        wanted = [name for name in scenarios if name != CROWD and SCENARIOS[name].faults == faults]
        if wanted:
            report.played += play_all(args, wanted, strategies, faults=faults)
    say("\n" + report.text())
    if report.race is not None and args.lab.is_dir():
        write_private_json(args.lab / RACE_REPORT, report.as_json())
    if args.json:
        report.write_json(args.json)
    if args.history:
        report.write_history(args.history)
    if args.write:
        write_page(args.write, report)
    return 0 if report.holds else 1


def run_plain_race(args: argparse.Namespace, strategies: "Strategies", workload: Workload) -> Race:
    """Race the strategies against the service at --url, or on servers of their own."""

    def race(target: Target) -> Coroutine[Any, Any, Race]:
        keep_history = args.history is not None
        return race_all(target, strategies, workload, repeat=args.repeat, say=say, keep_history=keep_history)

    if args.url:
        return asyncio.run(race(given_target(args.url, GivenStores())))
    with OwnTarget(LabHome(args.home), say, args.api_processes, args.workers, faults=False) as target:
        return asyncio.run(supervised(race(target), target.supervisor))


def play_all(
    args: argparse.Namespace, wanted: list[str], strategies: "Strategies", *, faults: bool
) -> list[PlayedScenario]:
    """Play these scenarios, which all need failpoints or all do not, on one target."""
    played = []
    with OwnTarget(LabHome(args.home), say, args.api_processes, args.workers, faults=faults) as target:
        for name in wanted:
            scenario = SCENARIOS[name]
            say(f"{name}: {scenario.summary}")
            scenes, failures = asyncio.run(supervised(play(target, scenario, strategies, say), target.supervisor))
            played.append(PlayedScenario(name, scenario.summary, scenes, failures))
    return played


def chosen_scenarios(wanted: list[str], *, remote: bool) -> list[str]:
    """Return the scenarios with these names, in the order of the catalog. Raise UnknownChoice.

    If the race is `remote`, at a given URL, only the crowd may be chosen: nothing of a given service may be broken.
    """
    known = [CROWD, *SCENARIOS]
    for name in wanted:
        if name not in [*known, "all"]:
            raise UnknownChoice(f"There is no scenario {name!r}. Known: {', '.join(known)}, all.")
    chosen = known if "all" in wanted else [name for name in known if name in wanted]
    if remote and chosen != [CROWD]:
        raise UnknownChoice("With --url only the scenario crowd is possible. The others need servers of their own.")
    return chosen
