"""`python -m app.blasts.load [PLAN]`: runs a load plan (JSON) and writes its result (JSON) to standard output.

Without PLAN, the plan is the first line of standard input, which must stay open. The load stops when standard input
ends, so that the generator does not outlive the process that started it.
"""

import asyncio
import json
import sys

import uvloop

from app.blasts.load.plan import LoadPlan
from app.blasts.load.runner import run_load
from app.blasts.load.tracing import GENERATOR
from app.errors import AtomicTicketsError
from app.telemetry.tracing import tracing

PLAN_LIMIT_BYTES = 65_536


async def load_of_standard_input() -> str:
    """Run the plan from standard input, and return the result as JSON. Raise CancelledError if the input ends first."""
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader(limit=PLAN_LIMIT_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    plan = LoadPlan.from_json(json.loads(await stdin.readline()))
    load = asyncio.create_task(run_load(plan))
    input_ended = asyncio.create_task(stdin.read())
    input_ended.add_done_callback(lambda _: load.cancel())
    try:
        return json.dumps((await load).as_json())
    finally:
        input_ended.cancel()


async def load_of(plan: str) -> str:
    """Run this plan, and return the result as JSON."""
    return json.dumps((await run_load(LoadPlan.from_json(json.loads(plan)))).as_json())


def write_out(result: str) -> None:
    """Write the whole result to standard output.

    `print` is not used: with PYTHONUNBUFFERED it drops what a pipe does not accept at once, which lost half of 100,000
    records.
    """
    with open(sys.stdout.fileno(), "wb", closefd=False) as output:
        output.write(result.encode() + b"\n")


def main() -> int:
    """Run the plan, and return the exit code: 0 for a result, 1 for an error, 130 if the load was cancelled."""
    try:
        with tracing(GENERATOR):
            write_out(uvloop.run(load_of(sys.argv[1]) if len(sys.argv) > 1 else load_of_standard_input()))
    except (AtomicTicketsError, json.JSONDecodeError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("Cancelled.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
