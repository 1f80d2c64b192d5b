"""The tables of a race, and their text for a terminal."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.lab.race.figures import Entry, by_merit
from app.lab.text_table import aligned


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
    Column("sold", "sold", whole),
    Column("oversold", "oversold", whole),
    Column("undersold", "undersold", whole),
    Column("errors", "errors", whole),
    Column("answers/s", "answered_per_second", whole),
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
    "Figures are medians over the runs. Strategies that were exact come first, the fastest of them at the top.",
    "A - means that the figure cannot be read from here. A ! means: the strategy broke its promise.",
    "",
    "promises              exact: the strategy promises to sell exactly its stock; nothing: it promises nothing",
    "order in              place of an accepted order when its buyer is answered: the ledger (committed), the stream",
    "                      in Redis (written with the decision), or only a process (lost if the process dies)",
    "answers/s             purchases answered per second, accepted or refused. Tickets per second would be a rate of",
    "                      the few tickets, and would praise the strategy that sells most of what it does not have",
    "consistent s          seconds from the last acceptance until the ledger had all accepted tickets",
    "p50 to p99.9 ms       time from a buyer's first request to the final answer",
    "retries/sold          attempts inside the service that lost to another purchase, for each ticket sold",
    "aborts/sold           those of the retries that PostgreSQL aborted, for each ticket sold",
    "asked again           requests that buyers repeated, for each purchase",
    "lock wait ms          time that the API waited for locks in PostgreSQL, for each purchase",
    "connections, mean     busy connections of the API to PostgreSQL: the most at once, and the mean",
    "Redis calls, reads    for each purchase: commands that Redis executed (also in scripts and for workers), and",
    "                      requests that it read from its connections",
    "",
    "docs/strategies.md says which strategy to use. --scenario all shows what a crash, a pause or a failover does.",
)


def text_of(entries: Sequence[Entry]) -> str:
    """Return three tables with the best strategy first, then the anomalies found, each with its smallest witness.

    A strategy without a run is in no table, because nothing is known of it.
    """
    ordered = by_merit(entries)
    raced = [entry for entry in ordered if entry.runs]
    outcome = table(raced, OUTCOME)
    outcome[0][1:1] = ["promises", "order in"]
    for row, entry in zip(outcome[1:], raced, strict=True):
        row[1:1] = ["exact" if entry.promises_exactness else "nothing", entry.accepted_in]
    lines = []
    for rows in (outcome, table(raced, LATENCY + RETRIES), table(raced, STORES)):
        lines += [*aligned(rows), ""]
    lines += NOTES
    for entry in ordered:
        lines += finding_lines(entry)
    return "\n".join(lines)


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


def finding_lines(entry: Entry) -> list[str]:
    """Return the lines that report a strategy's failure or its findings. Empty if it has none."""
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
