"""`python -m app.blasts.load [PLAN]`: runs a load plan (JSON) and writes its result (JSON) to standard output.

Without PLAN the plan is the first line of standard input, which must stay open: its end stops the load, so that a
generator does not outlive whoever started it.
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


async def load_on_a_leash() -> str:
    """The result as JSON. Raises CancelledError when standard input ends first."""
    loop = asyncio.get_running_loop()
    leash = asyncio.StreamReader(limit=PLAN_LIMIT_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(leash), sys.stdin)
    plan = LoadPlan.from_json(json.loads(await leash.readline()))
    load = asyncio.create_task(run_load(plan))
    released = asyncio.create_task(leash.read())
    released.add_done_callback(lambda _: load.cancel())
    try:
        return json.dumps((await load).as_json())
    finally:
        released.cancel()


async def load_of(plan: str) -> str:
    return json.dumps((await run_load(LoadPlan.from_json(json.loads(plan)))).as_json())


def write_out(result: str) -> None:
    """With PYTHONUNBUFFERED set, `print` drops what a pipe doesn't take at once: of 100,000 records half were lost."""
    with open(sys.stdout.fileno(), "wb", closefd=False) as output:
        output.write(result.encode() + b"\n")


def main() -> int:
    try:
        with tracing(GENERATOR):
            write_out(uvloop.run(load_of(sys.argv[1]) if len(sys.argv) > 1 else load_on_a_leash()))
    except (AtomicTicketsError, json.JSONDecodeError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("Cancelled.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
