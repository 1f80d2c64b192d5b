"""A race as a page of text, and as Markdown."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.lab.race.figures import Entry, by_merit


class Column(NamedTuple):
    """`name`: of the figure. `form`: how its median is written."""

    title: str
    name: str
    form: Callable[[float], str]


def whole(value: float) -> str:
    return f"{value:,.0f}"


def tenths(value: float) -> str:
    return f"{value:,.1f}"


def hundredths(value: float) -> str:
    return f"{value:,.2f}"


OUTCOME = (
    Column("sold", "sold", whole),
    Column("oversold", "oversold", whole),
    Column("undersold", "undersold", whole),
    Column("errors", "errors", whole),
    Column("accepted/s", "accepted_per_second", whole),
    Column("persisted/s", "persisted_per_second", whole),
    Column("consistent s", "seconds_to_consistent", hundredths),
    Column("p50 ms", "p50_ms", tenths),
    Column("p95 ms", "p95_ms", tenths),
    Column("p99 ms", "p99_ms", tenths),
    Column("p99.9 ms", "p999_ms", tenths),
)
COST = (
    Column("retries/sold", "retries", hundredths),
    Column("aborts/sold", "aborts", hundredths),
    Column("asked again", "asked_again", hundredths),
    Column("lock wait ms", "lock_wait_ms", tenths),
    Column("connections", "connections", whole),
    Column("mean", "connections_mean", tenths),
    Column("Redis calls", "redis_calls", hundredths),
    Column("Redis reads", "redis_reads", hundredths),
)
NOTES = (
    "Medians over the runs. Accepted/s and persisted/s: from the first request to the last acceptance, and until the",
    "ledger had it. Retries, aborts: for each ticket sold. Asked again, lock wait, Redis: for each purchase. Calls",
    "count those inside scripts and of workers, reads are requests that Redis read. -: can't be read from here.",
)


def text_of(entries: Sequence[Entry]) -> str:
    """Two tables in the order of merit, then what was found, each kind with its smallest witness."""
    ordered = by_merit(entries)
    parts = [*aligned(table(ordered, OUTCOME)), "", *aligned(table(ordered, COST)), "", *NOTES]
    for entry in ordered:
        parts += found_text(entry)
    return "\n".join(parts)


def table(entries: Sequence[Entry], columns: Sequence[Column]) -> list[list[str]]:
    """The heading, and a row for each strategy."""
    return [["strategy", *(column.title for column in columns)]] + [
        [named(entry), *(cell(entry, column) for column in columns)] for entry in entries
    ]


def named(entry: Entry) -> str:
    """With a mark where it broke its promise, or was not raced."""
    return entry.name if entry.keeps_its_word else f"{entry.name} !"


def cell(entry: Entry, column: Column) -> str:
    spread = entry.spread(column.name)
    return "-" if spread is None else column.form(spread.median)


def spread_of(entry: Entry, name: str) -> str:
    spread = entry.spread(name)
    return "-" if spread is None else f"{spread.lowest:,.0f} to {spread.highest:,.0f}"


def aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(row: list[str]) -> str:
        first, *rest = row
        return "  ".join(
            [first.ljust(widths[0]), *(each.rjust(width) for each, width in zip(rest, widths[1:], strict=True))]
        )

    return [line(rows[0]), "-" * len(line(rows[0])), *map(line, rows[1:])]


def markdown(rows: list[list[str]]) -> list[str]:
    """A table whose figures stand at the right."""
    heading, *rest = rows
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return ["| " + " | ".join(row) + " |" for row in [heading, rule, *rest]]


def found_text(entry: Entry) -> list[str]:
    """Nothing for a strategy without a finding."""
    if entry.failure is not None:
        return ["", f"{entry.name}: not raced: {entry.failure}"]
    if not entry.findings:
        return []
    kinds = ", ".join(f"{finding.anomaly} {finding.count:,}" for finding in entry.findings.values())
    oversold = f"; oversold in {entry.oversold_in} of {len(entry.runs)} runs" if entry.oversold_in else ""
    lines = ["", f"{entry.name}: {kinds}{oversold}"]
    for finding in entry.findings.values():
        lines += [f"  {finding.anomaly}: {finding.sentence}", *(f"    {line}" for line in finding.evidence)]
    return lines
