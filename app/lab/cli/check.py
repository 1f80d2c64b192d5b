"""Read a history of requests, answers and bookings, and report its anomalies.

docs/history.md describes the format and the rules.
"""

import sys
from pathlib import Path

import click

from app.errors import AtomicTicketsError
from app.lab.cli.options import JSON_FILE, write_json
from app.races.history.check import Verdict, check

CLEAN, FOUND, UNDECIDED = 0, 1, 2
# Not click.File: it is opened before the other arguments are parsed, and twice if it is lazy, which breaks a pipe.
HISTORY = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command(
    help=__doc__,
    epilog="Exit code: 0 if nothing is found, 1 if anomalies are found, 2 if the file cannot be judged.",
)
@click.argument("history", type=HISTORY, help="file of JSON lines, or - for standard input")
@JSON_FILE
def command(history: Path, json_file: Path | None) -> int:
    try:
        with click.open_file(history, "rb") as file:
            verdict = check(file)
    except (AtomicTicketsError, OSError) as error:
        print("error:", error, file=sys.stderr)
        return UNDECIDED
    print(text_of(verdict))
    if json_file is not None:
        write_json(json_file, verdict.as_json())
    return CLEAN if verdict.clean else FOUND


def text_of(verdict: Verdict) -> str:
    """Return the verdict as text: each kind of anomaly with its count and its smallest witness."""
    summary = f"Events: {verdict.events:,}, purchases: {verdict.purchases:,}, bookings: {verdict.bookings:,}."
    if verdict.clean:
        return f"{summary} Nothing found."
    lines = [f"{summary} Kinds of anomaly found: {len(verdict.findings)}."]
    for finding in verdict.findings:
        lines += ["", f"{finding.anomaly} ({finding.count:,})", f"  {finding.sentence}"]
        lines += [f"    {line}" for line in finding.evidence]
    return "\n".join(lines)
