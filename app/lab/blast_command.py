"""`atomictickets blast SALE`: sends a burst of real purchases and says what the buyers were told."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from app.lab.load.plan import LoadPlan
from app.lab.load.result import LoadResult
from app.lab.load.runner import run_load

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse gives it no public name


def add_parser(subparsers: "Subparsers") -> None:
    """Adds `blast`; its `run` default is the function to call with the parsed arguments."""
    parser = subparsers.add_parser("blast", help="send a burst of purchases to a sale", description=__doc__)
    parser.add_argument("sale", metavar="SALE", help="the sale's name")
    parser.add_argument("--requests", type=int, default=100, help="purchases to send (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=100, help="connections (default: %(default)s)")
    parser.add_argument("--customers", type=int, help="customers who take turns (default: each request its own)")
    parser.add_argument("--retries", type=int, default=0, help="tries more, with the same key (default: %(default)s)")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the service (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result, with every single answer")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code: 0 every request was answered, 1 some were not, 130 interrupted."""
    plan = LoadPlan(
        url=args.url,
        sale=args.sale,
        requests=args.requests,
        concurrency=args.concurrency,
        customers=args.customers,
        retries=args.retries,
        records=args.json is not None,
    )
    try:
        result = uvloop.run(run_load(plan))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(table(result))
    if args.json is not None:
        args.json.write_text(json.dumps({**result.summary(), **result.as_json()}, indent=2) + "\n")
    return 1 if result.errors or result.unsent else 0


def table(result: LoadResult) -> str:
    """What the buyers were told, most frequent first, and how long it took them to hear it."""
    plan, latency = result.plan, result.latency.as_milliseconds()
    told = sorted(result.outcomes.items(), key=lambda counted: -counted[1])
    if result.unsent:
        told.append(("not sent in time", result.unsent))
    return "\n".join(
        [
            f"{plan.sale}: {result.sent} purchases over {plan.connections} connections in {result.seconds:.3f} s",
            *(f"  {outcome:<24}{count:>10,}" for outcome, count in told),
            f"  {'answered per second':<24}{result.answered_per_second:>10,.0f}",
            *(f"  {f'latency {name}, ms':<24}{value:>10,.1f}" for name, value in latency.items()),
        ]
    )
