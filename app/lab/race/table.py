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
)
LATENCY = (
    Column("p50 ms", "p50_ms", tenths),
    Column("p95 ms", "p95_ms", tenths),
    Column("p99 ms", "p99_ms", tenths),
    Column("p99.9 ms", "p999_ms", tenths),
)
RETRIES = (
    Column("retries/sold", "retries", hundredths),
    Column("aborts/sold", "aborts", hundredths),
    Column("asked again", "asked_again", hundredths),
)
STORES = (
    Column("lock wait ms", "lock_wait_ms", tenths),
    Column("connections", "connections", whole),
    Column("connections mean", "connections_mean", tenths),
    Column("Redis calls", "redis_calls", hundredths),
    Column("Redis reads", "redis_reads", hundredths),
)
NOTES = (
    "Medians over the runs; those that were exact first, the fastest first. -: can't be read from here.",
    "promises: what it says of itself; !: it broke that. order in: where an accepted order is when its buyer is told:",
    "in the ledger (committed), in Redis' stream (with the decision), or in a process (which may die with it).",
    "accepted/s, persisted/s: from the first request to the last acceptance, and until the ledger had it; consistent s",
    "is what lies between. ms: until a buyer's final answer. Retries, aborts: for each ticket sold. Asked again, lock",
    "wait, Redis: for each purchase. Connections of the API to PostgreSQL: the most at once, and the mean. Redis calls",
    "count those inside scripts and of workers, reads are requests that Redis read.",
    "Which one for you: docs/strategies.md. What a crash, a pause or a failover does to each: --scenario all.",
)


def text_of(entries: Sequence[Entry]) -> str:
    """Three tables in the order of merit, then what was found, each kind with its smallest witness."""
    ordered = by_merit(entries)
    outcome = table(ordered, OUTCOME)
    outcome[0][1:1] = ["promises", "order in"]
    for row, entry in zip(outcome[1:], ordered, strict=True):
        row[1:1] = ["exact" if entry.promises_exactness else "nothing", entry.accepted_in]
    parts = []
    for rows in (outcome, table(ordered, LATENCY + RETRIES), table(ordered, STORES)):
        parts += [*aligned(rows), ""]
    parts += NOTES
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
