"""Run a load in a process of its own, so that the generator and its caller do not share an event loop."""

import asyncio
import json
import sys
from contextlib import suppress

from app.blasts.load.failures import LoadFailed
from app.blasts.load.plan import LoadPlan
from app.blasts.load.result import LoadResult

START_SECONDS = 60.0  # for the interpreter, the imports and up to 5,000 connections


async def run_in_process(plan: LoadPlan) -> LoadResult:
    """Run the load in a child process, and return its result. A cancellation ends the process.

    Raise LoadFailed, with the last line that the process printed, if it fails.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the working directory is the caller's, and may have another app/
        "-m",
        "app.blasts.load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal reaches only this process, which then ends the load
    )
    try:
        async with asyncio.timeout(START_SECONDS + plan.seconds + plan.reply_seconds):
            output, errors = await converse(child, json.dumps(plan.as_json()).encode() + b"\n")
            await child.wait()
    except TimeoutError as error:
        raise LoadFailed("The load generator did not end in time.") from error
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):  # it ended meanwhile
                child.kill()
            await child.wait()
    if child.returncode != 0:
        lines = errors.decode(errors="replace").strip().splitlines() or [f"exit code {child.returncode}"]
        raise LoadFailed(lines[-1])
    return LoadResult.from_json(json.loads(output))


async def converse(child: asyncio.subprocess.Process, plan: bytes) -> tuple[bytes, bytes]:
    """Send the plan and read all output. Standard input stays open, because the child stops when it ends."""
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise LoadFailed("The load generator has no pipes.")
    child.stdin.write(plan)
    await child.stdin.drain()
    return await asyncio.gather(child.stdout.read(), child.stderr.read())
