"""The measured sections of docs/strategies.md, which `atomictickets race --write` replaces between their marks."""

from collections.abc import Sequence
from pathlib import Path

from app.errors import AtomicTicketsError
from app.lab.race.figures import Entry, by_merit
from app.lab.race.output import RaceReport
from app.lab.race.table import LATENCY, OUTCOME, RETRIES, STORES, spread_of, table
from app.lab.race.workload import CROWD, Workload
from app.lab.stack.machine import describe
from app.lab.text_table import indented, markdown

WIDTH = 118  # the pages have lines of at most 120 columns
BEGIN, END = "<!-- {name}: written by `atomictickets race --write` -->", "<!-- end of {name} -->"


class NoMarks(AtomicTicketsError):
    """The page lacks the marks of a section that would be written."""

    status, slug, title = 422, "no-marks", "No Marks"


def write_page(path: Path, report: RaceReport) -> None:
    """Write the sections of this report into the page. Other sections stay as they are. Raise NoMarks."""
    path.write_text(rewritten(path.read_text(), report))


def rewritten(page: str, report: RaceReport) -> str:
    """Return the text of the page with the sections of this report replaced. Raise NoMarks."""
    circumstances = circumstances_text(report)
    if report.race is not None:
        name, entries = section_name(CROWD, report.workload), report.race.entries
        page = replace_section(
            page, name, [crowd_text(report, len(entries)), "", circumstances, "", *race_tables(entries)]
        )
    for played in report.played:
        command = f"Again: `atomictickets race --scenario {played.name} --write docs/strategies.md`."
        page = replace_section(page, played.name, [f"{circumstances} {command}", "", *markdown(played.rows())])
    return page


def section_name(scenario: str, workload: Workload) -> str:
    """Return the name of the section, as it stands in its marks."""
    return f"{CROWD}, think {workload.think_ms} ms" if scenario == CROWD else scenario


def refuse_without_marks(path: Path, sections: Sequence[str]) -> None:
    """Raise NoMarks if the page lacks one of these sections, or can't be read. Called before the race."""
    try:
        page = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NoMarks(f"The page {path} cannot be read: {error}.") from error
    for name in sections:
        split_at_marks(page, name)


def replace_section(page: str, name: str, lines: list[str]) -> str:
    """Return the page with the text of one section replaced by these lines. Raise NoMarks."""
    before, after = split_at_marks(page, name)
    return f"{before}\n\n" + "\n".join(wrapped for line in lines for wrapped in wrap_prose(line)) + f"\n\n{after}"


def wrap_prose(line: str) -> list[str]:
    """Return a paragraph as lines of at most 118 columns. A row of a table stays one line."""
    return [line] if line.startswith("|") else indented(line, WIDTH)


def split_at_marks(page: str, name: str) -> tuple[str, str]:
    """Return the text up to the section's first mark and the text from its last mark on, marks included.

    Raise NoMarks if a mark is missing.
    """
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise NoMarks(f"The page has no place for {name}: it lacks {begin} or {end}.")
    return before + begin, end + after


def race_tables(entries: list[Entry]) -> list[str]:
    """Return two Markdown tables: what was sold and how fast, and what it cost."""
    ordered = by_merit(entries)
    rows = table(ordered, OUTCOME + LATENCY)
    rows[0].insert(7, "from to")
    rows[0].append("found")
    for row, entry in zip(rows[1:], ordered, strict=True):
        row.insert(7, spread_of(entry, "answered_per_second"))
        row.append(found_text(entry))
    return [*markdown(rows), "", *markdown(table(ordered, RETRIES + STORES))]


def found_text(entry: Entry) -> str:
    """Return the anomalies with their counts; `nothing` only if all runs were checked for them."""
    if not entry.runs:
        return "not raced"
    found = ", ".join(f"{name} {count}" for name, count in entry.found.items())
    if not found and entry.failure is not None:
        return "not measured to the end"
    return found or ("nothing" if entry.checked else "not checked")


def crowd_text(report: RaceReport, raced: int) -> str:
    """Return a sentence that describes the load, and the command that runs it again."""
    workload = report.workload
    return (
        f"{workload.requests:,} buyers, {workload.concurrency} at once, {workload.stock} tickets,"
        f" `think_ms` {workload.think_ms}, {report.api_processes} API processes; {raced} strategies in turn,"
        f" {report.repeat} runs of each, medians."
        f" Again: `atomictickets race --requests {workload.requests} --concurrency {workload.concurrency}"
        f" --stock {workload.stock} --think-ms {workload.think_ms} --repeat {report.repeat}"
        " --write docs/strategies.md`."
    )


def circumstances_text(report: RaceReport) -> str:
    """Return a sentence with the date, the commit and the machine."""
    facts = describe()
    machine = facts["machine"]
    return (
        f"Measured {report.started_at[:10]} at commit `{facts['commit']}` on {machine['cpu']},"
        f" {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']};"
        f" servers, API, worker and buyers share it. Load average before it began: {report.load_average:.1f}."
    )
