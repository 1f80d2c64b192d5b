"""`atomictickets check HISTORY`: reads what was asked, told and booked, and says what of it can't be right."""

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

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse gives it no public name

CLEAN, FOUND, UNDECIDED = 0, 1, 2


def add_parser(subparsers: "Subparsers") -> None:
    parser = subparsers.add_parser(
        "check",
        help="look for anomalies in a history of purchases",
        description=__doc__,
        epilog="Exit code: 0 nothing found, 1 anomalies found, 2 the file can't be judged.",
    )
    parser.add_argument("history", metavar="HISTORY", help="JSON lines as in docs/history.md; - for standard input")
    parser.add_argument("--json", action="store_true", help="the verdict as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    try:
        with opened(args.history) as lines:
            verdict = check(lines)
    except (AtomicTicketsError, OSError) as error:
        print(f"error: {error.detail if isinstance(error, AtomicTicketsError) else error}", file=sys.stderr)
        return UNDECIDED
    print(json.dumps(verdict.as_json(), indent=2) if args.json else text_of(verdict))
    return CLEAN if verdict.clean else FOUND


def opened(name: str) -> "AbstractContextManager[IO[bytes]]":
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def text_of(verdict: Verdict) -> str:
    """Each kind of anomaly with how often it was found, and its smallest witness."""
    read = f"{verdict.events:,} events: {verdict.purchases:,} purchases, {verdict.bookings:,} bookings."
    if verdict.clean:
        return f"{read} Nothing found."
    lines = [f"{read} {len(verdict.findings)} kinds of anomaly found."]
    for finding in verdict.findings:
        lines += ["", f"{finding.anomaly} ({finding.count:,})", f"  {finding.sentence}"]
        lines += [f"    {line}" for line in finding.evidence]
    return "\n".join(lines)
