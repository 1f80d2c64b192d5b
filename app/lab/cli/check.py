"""`atomictickets check HISTORY`: reads a history of requests, answers and bookings, and reports its anomalies.

docs/history.md describes the format and the rules.
"""

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

from app.errors import AtomicTicketsError
from app.races.history.check import Verdict, check

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from app.lab.cli.options import Subparsers

CLEAN, FOUND, UNDECIDED = 0, 1, 2


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command `check`."""
    parser = subparsers.add_parser(
        "check",
        description=__doc__,
        epilog="Exit code: 0 if nothing is found, 1 if anomalies are found, 2 if the file cannot be judged.",
    )
    parser.add_argument("history", metavar="HISTORY", help="file of JSON lines, or - for standard input")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command, and return the exit code."""
    try:
        with open_history(args.history) as lines:
            verdict = check(lines)
    except (AtomicTicketsError, OSError) as error:
        print(f"error: {error.detail if isinstance(error, AtomicTicketsError) else error}", file=sys.stderr)
        return UNDECIDED
    print(json.dumps(verdict.as_json(), indent=2) if args.json else text_of(verdict))
    return CLEAN if verdict.clean else FOUND


def open_history(name: str) -> "AbstractContextManager[IO[bytes]]":
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
