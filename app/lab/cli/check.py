"""Read a history of requests, answers and bookings, and report its anomalies.

docs/history.md describes the format and the rules.
"""

import sys
from pathlib import Path
from typing import BinaryIO

import click

from app.errors import AtomicTicketsError
from app.lab.cli.options import JSON_FILE, write_json
from app.races.history.check import Verdict, check

CLEAN, FOUND, UNDECIDED = 0, 1, 2


@click.command(
    help=__doc__,
    epilog="Exit code: 0 if nothing is found, 1 if anomalies are found, 2 if the file cannot be judged.",
)
@click.argument("history", type=click.File("rb", lazy=True), help="file of JSON lines, or - for standard input")
@JSON_FILE
def command(history: BinaryIO, json_file: Path | None) -> int:
    try:
        verdict = check(history)
    except (AtomicTicketsError, OSError) as error:
        print("error:", error, file=sys.stderr)
        return UNDECIDED
    print(text_of(verdict))
    if json_file is not None:
        write_json(json_file, verdict.as_json())
    return CLEAN if verdict.clean else FOUND


def text_of(verdict: Verdict) -> str:
    """Return the verdict as text: each kind of anomaly with its count and its smallest witness."""
    summary = f"{verdict.events:,} events: {verdict.purchases:,} purchases, {verdict.bookings:,} bookings."
    if verdict.clean:
        return f"{summary} Nothing found."
    lines = [f"{summary} Kinds of anomaly found: {len(verdict.findings)}."]
    for finding in verdict.findings:
        lines += ["", f"{finding.anomaly} ({finding.count:,})", f"  {finding.sentence}"]
        lines += [f"    {line}" for line in finding.evidence]
    return "\n".join(lines)
