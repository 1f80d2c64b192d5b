"""`atomictickets race`: the ways to sell under contention, one after another, before the same crowd.

With --scenario something breaks on purpose: see the names and what they do at the end.
"""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.lab.command_line import between, names, processes, say
from app.lab.door import RACE_REPORT
from app.lab.home import DEFAULT_HOME, LabHome, write_private_json
from app.lab.race.contest import Contest, UnknownChoice, chosen
from app.lab.race.crowds import Race, race_all
from app.lab.race.ground import OwnGround, given
from app.lab.race.output import Played, Report
from app.lab.race.scenarios.catalog import CROWD, SCENARIOS, play
from app.lab.watched import watched
from app.strategies.protocol import RegisteredStrategy

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse gives it no public name

    Strategies = Sequence[type[RegisteredStrategy]]

HOME = Path("build/race")


def add_parser(subparsers: "Subparsers") -> None:
    usual = Contest()
    parser = subparsers.add_parser(
        "race",
        help="sell the same stock to the same crowd in every way",
        description=__doc__,
        epilog="Scenarios: " + "; ".join(f"{name}: {each.summary}" for name, each in SCENARIOS.items()) + ".",
    )
    add = parser.add_argument
    add("--strategies", type=names, default=[], metavar="A,B", help="default: all")
    add("--scenario", type=names, default=[CROWD], metavar="A,B", help="or all (default: crowd, the plain race)")
    add("--stock", type=int, default=usual.stock, help="tickets (default: %(default)s)")
    add("--requests", type=int, default=usual.requests, help="buyers (default: %(default)s)")
    add("--concurrency", type=int, default=usual.concurrency, help="at once (default: %(default)s)")
    add("--think-ms", type=int, default=usual.think_ms, help="of those that think (default: %(default)s)")
    add("--repeat", type=between(1, 64), default=1, metavar="N", help="runs of each (default: %(default)s)")
    add("--api-processes", type=processes, default=2, help="default: %(default)s")
    add("--workers", type=processes, default=1, help="default: %(default)s")
    add("--url", help="race at a service that runs already; DATABASE_URL and REDIS_URL name its stores")
    add("--home", type=Path, default=HOME, help="data and logs of servers of our own (default: %(default)s)")
    add("--lab", type=Path, default=DEFAULT_HOME, metavar="HOME", help="whose page shows it (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="also write everything")
    add("--history", type=Path, metavar="FILE", help="also write what was asked, told and booked (atomictickets check)")
    add("--write", type=Path, metavar="PAGE", help="also write the tables into this page, between their marks")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code: 0 only if all that promise to be exact were, in every run of the plain race."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: the processes are stopped
    strategies, scenarios = chosen(args.strategies), scenarios_of(args.scenario, away=args.url is not None)
    contest = Contest(stock=args.stock, requests=args.requests, concurrency=args.concurrency, think_ms=args.think_ms)
    report = Report(contest=contest, repeat=args.repeat, api_processes=args.api_processes)
    if CROWD in scenarios:
        say(f"crowd: {contest.requests} buyers, {contest.concurrency} at once, for {contest.stock} tickets")
        report.race = plain_race(args, strategies, contest)
    for faults in (False, True):
        wanted = [name for name in scenarios if name != CROWD and SCENARIOS[name].faults == faults]
        if wanted:
            report.played += played(args, wanted, strategies, faults=faults)
    say("\n" + report.text())
    if report.race is not None and args.lab.is_dir():
        write_private_json(args.lab / RACE_REPORT, report.as_json())
    if args.json:
        report.write_json(args.json)
    if args.history:
        report.write_history(args.history)
    if args.write:
        report.write_page(args.write)
    return 0 if report.holds else 1


def plain_race(args: argparse.Namespace, strategies: "Strategies", contest: Contest) -> Race:
    if args.url:
        return asyncio.run(race_all(given(args.url), strategies, contest, repeat=args.repeat, say=say))
    with OwnGround(LabHome(args.home), say, args.api_processes, args.workers, faults=False) as ground:
        work = race_all(ground, strategies, contest, repeat=args.repeat, say=say)
        return asyncio.run(watched(work, ground.supervisor))


def played(args: argparse.Namespace, wanted: list[str], strategies: "Strategies", *, faults: bool) -> list[Played]:
    """All scenarios of one kind, on one ground."""
    shown = []
    with OwnGround(LabHome(args.home), say, args.api_processes, args.workers, faults=faults) as ground:
        for name in wanted:
            scenario = SCENARIOS[name]
            say(f"{name}: {scenario.summary}")
            scenes, failures = asyncio.run(watched(play(ground, scenario, strategies, say), ground.supervisor))
            shown.append(Played(name, scenario.summary, scenes, failures))
    return shown


def scenarios_of(asked: list[str], *, away: bool) -> list[str]:
    """In the order of the catalog. Raises UnknownChoice; away from home nothing may be broken."""
    known = [CROWD, *SCENARIOS]
    for name in asked:
        if name not in [*known, "all"]:
            raise UnknownChoice(f"There is no scenario {name!r}. Known: {', '.join(known)}, all.")
    chosen_ones = known if "all" in asked else [name for name in known if name in asked]
    if away and chosen_ones != [CROWD]:
        raise UnknownChoice("With --url only the crowd is raced: the other scenarios need servers of their own.")
    return chosen_ones
