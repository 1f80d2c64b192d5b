"""The report of the plain race as text: tables, what their columns and the strategies are, and what was found."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from app.lab.race.closing import Result, closing_lines
from app.lab.race.figures import Entry, by_merit
from app.lab.text_table import explained, indented, laid_out
from app.races.history.findings import Finding


class Column(NamedTuple):
    """A column of a table. `name` is the figure in RaceFigures; `format_value` formats its median."""

    title: str
    name: str
    format_value: Callable[[float], str]


def whole(value: float) -> str:
    return f"{value:,.0f}"


def tenths(value: float) -> str:
    return f"{value:,.1f}"


def hundredths(value: float) -> str:
    return f"{value:,.2f}"


OUTCOME = (
    Column("stock", "stock", whole),
    Column("sold", "sold", whole),
    Column("oversold", "oversold", whole),
    Column("undersold", "undersold", whole),
    Column("errors", "errors", whole),
    Column("answers/s", "answered_per_second", whole),
)
LATENCY = (
    Column("p50 ms", "p50_ms", tenths),
    Column("p95 ms", "p95_ms", tenths),
    Column("p99 ms", "p99_ms", tenths),
    Column("p99.9 ms", "p999_ms", tenths),
    Column("consistent s", "seconds_to_consistent", hundredths),
)
RETRIES = (
    Column("retries/sold", "retries", hundredths),
    Column("aborts/sold", "aborts", hundredths),
    Column("asked again", "asked_again", hundredths),
    Column("lock wait ms", "lock_wait_ms", tenths),
)
STORES = (
    Column("connections", "connections", whole),
    Column("mean", "connections_mean", tenths),
    Column("Redis calls", "redis_calls", hundredths),
    Column("Redis reads", "redis_reads", hundredths),
)
TABLES: Mapping[str, tuple[Column, ...]] = {
    "What was sold": OUTCOME,
    "How long it took": LATENCY,
    "What it cost inside the service": RETRIES,
    "What it cost the stores": STORES,
}
COLUMNS = (
    ("stock", "tickets for sale"),
    ("sold", "tickets booked in the ledger"),
    ("oversold, undersold", "tickets sold that do not exist, and tickets that stayed unsold although buyers asked"),
    ("errors", "purchases that got no answer, or another one than accepted, sold out or over the limit"),
    ("answers/s", "purchases answered in a second, accepted or refused, the pause of --think-ms included"),
    ("p50 to p99.9 ms", "time from a buyer's first request to the final answer"),
    ("consistent s", "seconds from the last acceptance until the ledger had all accepted tickets"),
    ("retries, aborts", "attempts that lost to another purchase, and those PostgreSQL aborted, for each ticket sold"),
    ("asked again", "requests that buyers repeated, for each purchase"),
    ("lock wait ms", "time that the API waited for locks in PostgreSQL, for each purchase"),
    ("connections, mean", "busy connections of the API to PostgreSQL: the most at once, and the mean"),
    ("Redis calls, reads", "commands that Redis executed, and requests that it read, for each purchase"),
    ("-", "cannot be read from here"),
    ("!", "broke its promise to be exact"),
)  # fmt: skip
PLACES = {"ledger": "in the ledger", "stream": "in a stream of Redis", "process": "only in a process"}


def text_of(entries: Sequence[Entry], width: int = 80) -> str:
    """Return tables with the best strategy first, what their columns and the strategies are, and what was found.

    A strategy without a run is in no table, because nothing is known of it.
    """
    ordered = by_merit(entries)
    raced = [entry for entry in ordered if entry.runs]
    lines = table_lines(raced, width) if raced else []
    for entry in ordered:
        lines += finding_lines(entry, width)
    results = [
        Result(
            entry.name, entry.found, entry.promises_exactness, failure=entry.failure is not None, checked=entry.checked
        )
        for entry in ordered
        if entry.has_result
    ]
    unreached = [entry.name for entry in ordered if not entry.has_result]
    return "\n".join([*lines, "", *closing_lines(results, width, unreached)])


def table_lines(raced: Sequence[Entry], width: int) -> list[str]:
    """Return the tables, and what their columns and the strategies are, as lines of text."""
    stock = raced[0].runs[0].stock
    lines = []
    for title, columns in TABLES.items():
        lines += [f"{title} ({stock:,} tickets for sale)", "", *laid_out(table(raced, columns), width), ""]
    lines += ["The tables have medians over the runs. Their columns:", "", *explained(COLUMNS, width), ""]
    return [*lines, "The strategies:", "", *explained([(entry.name, described(entry)) for entry in raced], width)]


def described(entry: Entry) -> str:
    """Return what the strategy is, what it promises, and the place of an accepted order when its buyer is answered."""
    promise = "Promises to be exact" if entry.promises_exactness else "Does not promise to be exact"
    return f"{entry.summary} {promise}; when its buyer is answered, an order is {PLACES[entry.accepted_in]}.".lstrip()


def table(entries: Sequence[Entry], columns: Sequence[Column]) -> list[list[str]]:
    """Return the heading, and a row of medians for each strategy."""
    return [["strategy", *(column.title for column in columns)]] + [
        [marked_name(entry), *(cell(entry, column) for column in columns)] for entry in entries
    ]


def marked_name(entry: Entry) -> str:
    """Return the strategy's name, marked with ! if it broke its promise."""
    return f"{entry.name} !" if entry.broke_its_promise else entry.name


def cell(entry: Entry, column: Column) -> str:
    spread = entry.spread(column.name)
    return "-" if spread is None else column.format_value(spread.median)


def spread_of(entry: Entry, name: str) -> str:
    """Return the lowest and the highest value of a figure, or - if a run lacks it."""
    spread = entry.spread(name)
    return "-" if spread is None else f"{spread.lowest:,.0f} to {spread.highest:,.0f}"


def finding_lines(entry: Entry, width: int) -> list[str]:
    """Return the lines that report a strategy's failure and its findings. Empty if it has none."""
    lines = []
    if entry.failure is not None:
        why = f"failed after {len(entry.runs)} runs" if entry.runs else "not raced"
        lines += ["", *indented(f"{entry.name}: {why}: {entry.failure}", width)]
    if not entry.findings:
        return lines
    kinds = ", ".join(f"{finding.anomaly} {finding.count:,}" for finding in entry.findings.values())
    together = "" if len(entry.runs) == 1 else f", all {len(entry.runs)} runs together"
    oversold = f"; oversold in {entry.oversold_in} of {len(entry.runs)} runs" if together and entry.oversold_in else ""
    lines += ["", *indented(f"{entry.name}{together}: {kinds}{oversold}", width)]
    for finding in entry.findings.values():
        lines += witness_lines(finding, width)
    return lines


def witness_lines(finding: Finding, width: int) -> list[str]:
    """Return an anomaly with its evidence as lines of text."""
    lines = indented(f"{finding.anomaly}: {finding.sentence}", width, "  ")
    return lines + [line for text in finding.evidence for line in indented(text, width, "    ")]
