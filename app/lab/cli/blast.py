"""`atomictickets blast SALE`: sends a burst of real purchases and says what the buyers were told."""

import argparse
import json
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from app.blasts.load.plan import LoadPlan
from app.blasts.load.result import LoadResult
from app.blasts.load.runner import run_load
from app.blasts.load.tracing import GENERATOR
from app.blasts.trace_ratio import races, trace_ratio_of
from app.blasts.witnesses import Witnesses, read, when_complete
from app.client import ApiRefused, SaleClient
from app.telemetry.tracing import tracing

PAIRS = 3  # that are printed; --json has 20, and GET /sales/{sale}/witnesses all

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
    parser.add_argument(
        "--trace-ratio", type=float, help="purchases traced, 0 to 1 (default: all of a strategy that races)"
    )
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
        trace_ratio=args.trace_ratio,
    )
    try:
        with tracing(GENERATOR):
            result, witnesses = uvloop.run(blast(plan))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(table(result))
    if witnesses.total:
        print(f"{witnesses.total} pairs of purchases read one version and both wrote; the first of them:")
        print("\n".join(witnesses.lines(most=PAIRS)))
    if args.json is not None:
        document = {**result.summary(), **result.as_json(), "witnesses": witnesses.as_json()}
        args.json.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if result.errors or result.unsent else 0


async def blast(plan: LoadPlan) -> tuple[LoadResult, Witnesses]:
    """What the buyers were told, and which of them collided; nobody where the strategy doesn't race."""
    client = SaleClient(plan.url)
    strategy = ""
    with suppress(ApiRefused):  # the crowd will be told why
        strategy = (await client.sale(plan.sale) or {}).get("strategy", "")
    if not races(strategy):
        return await run_load(plan), Witnesses()
    latest = (await client.witnesses(plan.sale, after=0, limit=1))["latest"]
    result = await run_load(replace(plan, trace_ratio=trace_ratio_of(strategy, plan.trace_ratio)))
    return result, await when_complete(partial(read, client, plan.sale, latest), result.accepted - result.replayed)


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
