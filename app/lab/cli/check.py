"""Read a history of requests, answers and bookings, and report its anomalies.

docs/history.md describes the format and the rules. HISTORY is a file of JSON lines, or - for standard input.
"""

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

import click

from app.errors import AtomicTicketsError
from app.races.history.check import Verdict, check

CLEAN, FOUND, UNDECIDED = 0, 1, 2
EXIT_CODE = "Exit code: 0 if nothing is found, 1 if anomalies are found, 2 if the file cannot be judged."


@click.command(help=__doc__, epilog=EXIT_CODE)
@click.argument("history")
@click.option("--json", "as_json", is_flag=True, help="print the verdict as JSON")
def command(history: str, as_json: bool) -> int:
    try:
        with open_history(history) as lines:
            verdict = check(lines)
    except (AtomicTicketsError, OSError) as error:
        print(f"error: {error.detail if isinstance(error, AtomicTicketsError) else error}", file=sys.stderr)
        return UNDECIDED
    print(json.dumps(verdict.as_json(), indent=2) if as_json else text_of(verdict))
    return CLEAN if verdict.clean else FOUND


def open_history(name: str) -> AbstractContextManager[IO[bytes]]:
    """Open the file with this name, or standard input if the name is -."""
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def text_of(verdict: Verdict) -> str:
    """Return the verdict as text: each kind of anomaly with its count and its smallest witness."""
    summary = f"{verdict.events:,} events: {verdict.purchases:,} purchases, {verdict.bookings:,} bookings."
    if verdict.clean:
        return f"{summary} Nothing found."
    lines = [f"{summary} {len(verdict.findings)} kinds of anomaly found."]
    for finding in verdict.findings:
        lines += ["", f"{finding.anomaly} ({finding.count:,})", f"  {finding.sentence}"]
        lines += [f"    {line}" for line in finding.evidence]
    return "\n".join(lines)
