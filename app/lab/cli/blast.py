"""Send a burst of purchases to a sale over HTTP, and print how they were answered and what the ledger has sold."""

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
from app.client import ApiRefused, ApiUnreachable, Document, SaleClient
from app.errors import AtomicTicketsError
from app.lab.cli.options import JSON_FILE, URL, FiniteRange, number, write_json
from app.lab.stack.waiting import poll
from app.lab.text_table import columns
from app.sales.model import UnknownSale
from app.telemetry.tracing import tracing

BOOKED_SECONDS = 5.0  # workers book within milliseconds, unless the drain is paused
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
@click.option("--url", type=URL, default="http://127.0.0.1:8000", help="address of the service")
@JSON_FILE
def command(json_file: Path | None, **plan_options: Any) -> int:
    plan = LoadPlan(records=json_file is not None, **plan_options)
    with tracing(GENERATOR):
        result, witnesses, sale = uvloop.run(blast(plan))
    print(table(result))
    print(sold_text(sale) if isinstance(sale, dict) else f"It is not known what the ledger has sold: {sale}")
    if witnesses.total:
        print(f"{witnesses.total} pairs of purchases read one version and both wrote. The first pairs:")
        print("\n".join(witnesses.lines(most=PAIRS)))
    if json_file is not None:
        known = sale if isinstance(sale, dict) else None
        document = {**result.summary(), **result.as_json(), "witnesses": witnesses.as_json(), "sale": known}
        write_json(json_file, document)
    return 1 if result.errors or result.unsent else 0


async def blast(plan: LoadPlan) -> tuple[LoadResult, Witnesses, Document | AtomicTicketsError]:
    """Send the blast.

    Return its result, the pairs of purchases that collided if the strategy races, and the sale afterwards, or the
    reason why it could not be read. Raise UnknownSale, ApiRefused or ApiUnreachable, before any purchase is sent, if
    the sale cannot be read at first.
    """
    client = SaleClient(plan.url)
    before = await read_sale(client, plan)
    strategy, witnesses = before["strategy"], Witnesses()
    if races(strategy):
        latest = (await client.witnesses(plan.sale, after=0, limit=1))["latest"]
        plan = replace(plan, trace_ratio=trace_ratio_of(strategy, plan.trace_ratio))
    result = await run_load(plan)
    accepted = result.accepted - result.replayed
    try:
        if races(strategy):
            witnesses = await wait_until_complete(partial(read_witnesses, client, plan.sale, latest), accepted)
        return result, witnesses, await sale_afterwards(client, plan, decided(before) + accepted)
    except (ApiRefused, ApiUnreachable, UnknownSale) as error:
        return result, witnesses, error


async def read_sale(client: SaleClient, plan: LoadPlan) -> Document:
    """Return the sale. Raise UnknownSale, ApiRefused or ApiUnreachable."""
    sale = await client.sale(plan.sale)
    if sale is None:
        raise UnknownSale(f"There is no sale {plan.sale!r} at {plan.url}.")
    return sale


def decided(sale: Document) -> int:
    """Return the tickets of the orders that the ledger has decided."""
    return int(sale["booked"] + sale["rejected"] + sale["duplicates"])


async def sale_afterwards(client: SaleClient, plan: LoadPlan, expected: int) -> Document:
    """Return the sale once the ledger has decided so many tickets and none is on its way, or as it is after 5 s.

    A strategy whose orders are messages of the broker has no backlog, so that alone would not tell.
    """

    async def all_booked() -> Document | None:
        found = await read_sale(client, plan)
        return found if decided(found) >= expected and not found["backlog"] else None

    return await poll(all_booked, seconds=BOOKED_SECONDS) or await read_sale(client, plan)


def sold_text(sale: Document) -> str:
    """Return a sentence that says what the ledger has sold, in all blasts of the round together."""
    sold = f"tickets booked in the ledger: {sale['booked']:,}, stock: {sale['stock']:,}"
    if sale["backlog"]:
        sold += f", in the backlog: {sale['backlog']:,}"
    return f"oversold {sale['oversold']:,}: {sold}." if sale["oversold"] else f"{sold.capitalize()}."


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
