"""The options of `atomictickets race`, and where it prints and writes its report."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.api.race_reports import RaceReports
from app.errors import AtomicTicketsError
from app.lab.cli.options import Unwritable, say, write_json, writing
from app.lab.race.output import RaceReport
from app.lab.race.page import write_page
from app.lab.race.workload import Workload
from app.lab.stack.home import write_private_json

MAX_WIDTH = 100  # of explanations, which are hard to read in longer lines


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceOptions:
    """The options of the command, by the names of its parameters."""

    strategies: list[str] | None
    scenario: list[str]
    stock: int
    requests: int
    concurrency: int
    think_ms: int
    repeat: int
    url: str | None
    api_processes: int
    workers: int
    home: Path
    lab: Path | None
    json_file: Path | None
    history: Path | None
    page: Path | None

    @property
    def workload(self) -> Workload:
        return Workload(stock=self.stock, requests=self.requests, concurrency=self.concurrency, think_ms=self.think_ms)


def finish(options: RaceOptions, report: RaceReport) -> None:
    """Print the report and write it. Raise Unwritable at the end if a file could not be written."""
    say("\n" + report.text(min(shutil.get_terminal_size().columns, MAX_WIDTH)))
    write_files(options, report)


def write_files(options: RaceOptions, report: RaceReport) -> None:
    """Write the report to every file that was asked for, and say so. Raise Unwritable if one could not be written."""
    written, failures = [], []
    for path, write in outputs(options, report):
        try:
            with writing(path):
                write(path)
            written.append(path)
        except AtomicTicketsError as error:  # the others are still written
            failures.append(error.detail)
    if written:
        say(f"\nWritten: {', '.join(map(str, written))}")
    if options.page and report.interrupted:
        say(f"{options.page} is unchanged: a page has the tables of complete races.")
    if options.history in written:
        say(f"`atomictickets check {options.history}` shows the witnesses with the lines of that file.")
    if failures:
        raise Unwritable(" ".join(failures))


def outputs(options: RaceOptions, report: RaceReport) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """Return the files that were asked for, each with the function that writes it."""
    if options.json_file:
        yield options.json_file, lambda path: write_json(path, report.as_json())
    if options.history:
        yield options.history, report.write_history
    if options.page and not report.interrupted:
        yield options.page, lambda path: write_page(path, report)
    if options.lab is not None and report.race is not None and report.race.has_ended_runs:
        kept = RaceReports(options.lab)
        yield kept.path(report.started_at), lambda path: keep(kept, path, report)


def keep(reports: RaceReports, path: Path, report: RaceReport) -> None:
    """Write the report to the home of a lab, and only then remove the oldest one: a full disk loses none."""
    write_private_json(path, report.as_json())
    reports.remove_oldest()
