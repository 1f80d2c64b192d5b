"""Wait until a process of the lab is ready."""

import asyncio

from app.lab.stack.process import ProcessFailed
from app.lab.stack.supervisor import READY_SECONDS, ManagedProcess
from app.lab.stack.waiting import poll


async def until_ready(process: ManagedProcess, *, restarts: bool = False) -> None:
    """Wait until the process runs and is ready, for 60 s at most.

    If it `restarts`, the wait goes on after its end. Raise ProcessFailed, with the end of its log.
    """

    async def is_ready() -> bool | None:
        ready = process.server.running and (process.ready is None or await asyncio.to_thread(process.ready))
        return ready or None

    def ended() -> bool:
        return not restarts and not process.server.running

    if not await poll(is_ready, seconds=READY_SECONDS, unless=ended):
        exit_code = process.server.exit_code
        why = f"was not ready after {READY_SECONDS:g} s" if exit_code is None else f"ended with exit code {exit_code}"
        raise ProcessFailed(f"{process.name} {why}:\n{process.server.log_tail()}")
