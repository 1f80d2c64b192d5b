"""Send a burst of purchases to a sale over HTTP, and print how they were answered."""

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvloop

from app.blasts.load.plan import MAX_CONCURRENCY, MAX_REQUESTS, MAX_RETRIES, LoadPlan
from app.blasts.load.result import LoadResult
from app.blasts.load.runner import run_load
from app.blasts.load.tracing import GENERATOR
from app.blasts.trace_ratio import races, trace_ratio_of
from app.blasts.witnesses import Witnesses, read_witnesses, wait_until_complete
from app.client import ApiRefused, SaleClient
from app.lab.cli.options import FILE_TO_WRITE, FiniteRange, number
from app.lab.text_table import columns
from app.telemetry.tracing import tracing

PAIRS = 3  # pairs to print; --json has 20, and GET /sales/{sale}/witnesses returns all


@click.command(
    help=__doc__,
    epilog="Exit code: 0 if every purchase was sent and answered without a 5xx, 1 if not, 130 after Ctrl-C.",
)
@click.argument("sale", help="name of the sale")
@number("--requests", 1, MAX_REQUESTS, default=100, help="number of purchases to send")
@number(
    "--concurrency", 1, MAX_CONCURRENCY, default=100, help="number of connections, each with one purchase at a time"
)
@number("--customers", 1, show_default="one for each purchase", help="number of customers who buy in turn")
@number(
    "--retries",
    0,
    MAX_RETRIES,
    default=0,
    help="how often a purchase is sent again, with the same key, if its outcome is unknown",
)
@click.option(
    "--trace-ratio",
    type=FiniteRange(0, 1),
    metavar="RATIO",
    show_default="1 if the strategy may oversell; otherwise the service decides",
    help="share of purchases that are traced",
)
@click.option("--url", default="http://127.0.0.1:8000", metavar="URL", help="address of the service")
@click.option("--json", "json_file", type=FILE_TO_WRITE, help="also write the result, with the answer to each purchase")
def command(json_file: Path | None, **plan_options: Any) -> int:
    plan = LoadPlan(records=json_file is not None, **plan_options)
    with tracing(GENERATOR):
        result, witnesses = uvloop.run(blast(plan))
    print(table(result))
    if witnesses.total:
        print(f"{witnesses.total} pairs of purchases read one version and both wrote. The first pairs:")
        print("\n".join(witnesses.lines(most=PAIRS)))
    if json_file is not None:
        document = {**result.summary(), **result.as_json(), "witnesses": witnesses.as_json()}
        json_file.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if result.errors or result.unsent else 0


async def blast(plan: LoadPlan) -> tuple[LoadResult, Witnesses]:
    """Send the blast. Return its result and, if the strategy races, the pairs of purchases that collided."""
    client = SaleClient(plan.url)
    strategy = ""
    with suppress(ApiRefused):  # the purchases will get the same refusal, and the result shows it
        strategy = (await client.sale(plan.sale) or {}).get("strategy", "")
    if not races(strategy):
        return await run_load(plan), Witnesses()
    latest = (await client.witnesses(plan.sale, after=0, limit=1))["latest"]
    result = await run_load(replace(plan, trace_ratio=trace_ratio_of(strategy, plan.trace_ratio)))
    return result, await wait_until_complete(
        partial(read_witnesses, client, plan.sale, latest), result.accepted - result.replayed
    )


def table(result: LoadResult) -> str:
    """Return the result as text: outcomes with the most frequent first, rate and latencies."""
    plan, latency = result.plan, result.latency.as_milliseconds()
    outcomes = sorted(result.outcomes.items(), key=lambda item: -item[1])
    if result.unsent:
        outcomes.append(("not sent in time", result.unsent))
    rows = [
        *((f"  {outcome}", f"{count:,}") for outcome, count in outcomes),
        ("  answered per second", f"{result.answered_per_second:,.0f}"),
        *((f"  latency {name}, ms", f"{value:,.1f}") for name, value in latency.items()),
    ]
    heading = f"{plan.sale}: {result.sent} purchases over {plan.connections} connections in {result.seconds:.3f} s"
    return "\n".join([heading, *columns(rows)])
