"""Sell the same stock to the same crowd by each strategy in turn, and check what was sold against the ledger.

With --scenario this command breaks something that the strategies rely on, such as a process or a lock. Without --url it
starts servers of its own.
"""

import asyncio
import os
import signal
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.api.race_reports import RaceReports
from app.blasts.load.plan import MAX_CONCURRENCY, MAX_REQUESTS
from app.errors import AtomicTicketsError
from app.lab.cli.main import INTERRUPTED
from app.lab.cli.options import (
    API_PROCESSES,
    FILE_TO_WRITE,
    HOME,
    JSON_FILE,
    NAMES,
    URL,
    WORKERS,
    Unwritable,
    number,
    refuse_unwritable,
    refuse_without_effect,
    say,
)
from app.lab.cli.race_output import RaceOptions, finish
from app.lab.race.output import RaceReport
from app.lab.race.page import refuse_without_marks, section_name
from app.lab.race.plain_race import Race, race_all
from app.lab.race.preflight import refuse_unusable
from app.lab.race.scenario_text import PlayedScenario
from app.lab.race.scenarios.catalog import SCENARIOS, play
from app.lab.race.target import OwnTarget, Target, given_target
from app.lab.race.workload import CROWD, UnknownChoice, Workload, chosen_strategies
from app.lab.stack.home import DEFAULT_HOME, LabHome
from app.lab.stack.supervised import supervised
from app.lab.text_table import explained
from app.sales.model import MAX_STOCK, MAX_THINK_MS
from app.settings import GivenStores
from app.strategies.dependencies import RegisteredStrategy
from app.strategies.registry import STRATEGIES, summary_of

if TYPE_CHECKING:
    Strategies = Sequence[type[RegisteredStrategy]]

RACE_HOME = Path("build/race")
DEFAULTS = Workload()
HELP_WIDTH = 76  # click writes up to 80 columns, and indents twice
EXIT_CODE = (
    "Exit code: 0 if every strategy could be raced, every one that promises to be exact was exact in every run of the "
    "crowd, and every scenario could be played; 1 otherwise; 130 after Ctrl-C, which reports the runs that have ended."
)


def epilog() -> str:
    """Return the end of the help text: the strategies, the scenarios and the exit code.

    A line of \\b keeps click from wrapping the paragraph that follows, as it would break names at their hyphens.
    """
    scenarios = [(CROWD, "the plain race: many buyers at once, nothing breaks")]
    scenarios += [(name, scenario.summary) for name, scenario in SCENARIOS.items()]
    strategies = [(name, summary_of(strategy)) for name, strategy in STRATEGIES.items()]
    lines = []
    for title, terms in (("Strategies:", strategies), ("Scenarios:", scenarios)):
        lines += ["\b", title, *(f"  {line}" for line in explained(terms, HELP_WIDTH)), ""]
    return "\n".join([*lines, EXIT_CODE])


@click.command(help=__doc__, epilog=epilog())
@click.option("--strategies", type=NAMES, show_default="all", help="strategies to race, from the list below")
@click.option("--scenario", type=NAMES, default=CROWD, help="scenarios to play, from the list below, or all")
@number(
    "--stock",
    1,
    MAX_STOCK,
    default=DEFAULTS.stock,
    help="number of tickets for the crowd; the other scenarios have crowds of their own",
)
@number("--requests", 1, MAX_REQUESTS, default=DEFAULTS.requests, help="number of buyers in the crowd")
@number("--concurrency", 1, MAX_CONCURRENCY, default=DEFAULTS.concurrency, help="number of buyers at the same time")
@number(
    "--think-ms",
    0,
    MAX_THINK_MS,
    default=DEFAULTS.think_ms,
    metavar="MS",
    help="pause between read and write, for strategies that have one",
)
@number("--repeat", 1, 1000, default=1, help="number of runs of the crowd for each strategy")
@click.option(
    "--url",
    type=URL,
    help="race against the service at this address; DATABASE_URL, LEDGER_SCHEMA_NAME and REDIS_URL name its stores",
)
@API_PROCESSES
@WORKERS
@click.option("--home", type=HOME, default=RACE_HOME, help="directory for data and logs")
@click.option(
    "--lab",
    type=HOME,
    default=DEFAULT_HOME,
    help="if this directory exists, also store the report of the crowd in it, for the lab's dashboard",
)
@JSON_FILE
@click.option(
    "--history",
    type=FILE_TO_WRITE,
    help="write all requests, answers and bookings to this file, for `atomictickets check`",
)
@click.option(
    "--write",
    "page",
    type=FILE_TO_WRITE,
    help="replace the tables between the marks (HTML comments) of this Markdown file",
)
def command(**options: Any) -> int:
    if options["url"]:
        refuse_without_effect("with --url", "home", "api_processes", "workers")
        if not GivenStores().database_url:
            refuse_without_effect("with --url and without DATABASE_URL", "history")
    has_crowd = not {CROWD, "all"}.isdisjoint(options["scenario"])
    if not has_crowd:
        refuse_without_effect(
            "without the scenario crowd", "stock", "requests", "concurrency", "think_ms", "repeat", "lab"
        )
    return run(RaceOptions(**options | {"lab": usable_lab(options["lab"]) if has_crowd else None}))


def usable_lab(home: Path) -> Path | None:
    """Return the home of the lab that will keep the report, or None if it can't. Refuse a home that the user named."""
    if not os.path.isdir(home):  # noqa: PTH112  Path.is_dir raises OSError if the name is too long
        refuse_without_effect("if its directory does not exist", "lab")
        return None
    try:
        refuse_unwritable(RaceReports(home).directory)
    except click.UsageError as error:
        if click.get_current_context().get_parameter_source("lab") is click.ParameterSource.COMMANDLINE:
            raise
        say(f"{error.message} The lab does not keep the report.")
        return None
    return home


def run(options: RaceOptions) -> int:
    """Run the race, and return the exit code. Raise UnknownChoice or NoMarks before anything is started.

    After Ctrl-C, or if the servers of a race fail for good, the runs that have ended are reported and written, except
    to a page, whose tables are complete.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as after Ctrl-C, the processes are stopped
    strategies = chosen_strategies(options.strategies or [])
    scenarios = chosen_scenarios(options.scenario, remote=options.url is not None)
    workload = options.workload
    if options.page:
        refuse_without_marks(options.page, [section_name(name, workload) for name in scenarios])
    report = RaceReport(workload=workload, repeat=options.repeat, api_processes=options.api_processes)
    try:
        measure(options, scenarios, strategies, report)
    except KeyboardInterrupt:
        report.interrupted = True
        if report.is_empty:
            say("Interrupted before the first run had ended: there is nothing to report.")
            return INTERRUPTED
        say("Interrupted. The report has the runs that had ended until then.")
    except AtomicTicketsError:
        report.interrupted = True
        if not report.is_empty:
            try:
                finish(options, report)
            except Unwritable as unwritable:
                say(unwritable.detail)
        raise
    finish(options, report)
    return INTERRUPTED if report.interrupted else 0 if report.holds else 1


def measure(options: RaceOptions, scenarios: list[str], strategies: "Strategies", report: RaceReport) -> None:
    """Run the crowd and play the scenarios. Each run is in the report as soon as it has ended."""
    if CROWD in scenarios:
        report.race = Race()
        run_plain_race(options, strategies, report.race)
    for faults in (False, True):
        wanted = [name for name in scenarios if name != CROWD and SCENARIOS[name].faults == faults]
        if wanted:
            play_all(options, wanted, strategies, report.played, faults=faults)


def run_plain_race(options: RaceOptions, strategies: "Strategies", outcome: Race) -> None:
    """Race the strategies against the service at --url, or on servers of their own."""
    crowd = f"crowd: {options.workload.text()}"

    def race(target: Target) -> Coroutine[Any, Any, Race]:
        return race_all(
            target,
            strategies,
            options.workload,
            repeat=options.repeat,
            say=say,
            keep_history=options.history is not None,
            outcome=outcome,
        )

    if options.url:
        target = given_target(options.url, GivenStores())
        asyncio.run(refuse_unusable(target, strategies[0]))
        say(crowd)
        if target.database_url is None:
            say("DATABASE_URL is not set: no history is checked, and the service's own figures are believed.")
        asyncio.run(race(target))
        return
    say(crowd)
    with OwnTarget(LabHome(options.home), say, options.api_processes, options.workers, faults=False) as target:
        asyncio.run(supervised(race(target), target.supervisor))


def play_all(
    options: RaceOptions, wanted: list[str], strategies: "Strategies", played: list[PlayedScenario], *, faults: bool
) -> None:
    """Play these scenarios, which all need failpoints or all do not, on one target, and add them to `played`."""
    with OwnTarget(LabHome(options.home), say, options.api_processes, options.workers, faults=faults) as target:
        for name in wanted:
            scenario = SCENARIOS[name]
            say(f"{name}: {scenario.summary}")
            result = PlayedScenario(name, scenario.summary, scenes=[], failures={})
            played.append(result)
            work = play(target, scenario, strategies, say, scenes=result.scenes, failures=result.failures)
            asyncio.run(supervised(work, target.supervisor))


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
