"""Named points at which a test or a scenario stops a process or kills it, so that a race is not a matter of luck.

FAILPOINTS names a directory; if it is unset, a point is one comparison. What is to happen at a point is a file in that
directory. So it works across processes, and what happened outlives the process that it happened to.
"""

import asyncio
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import structlog

from app.settings import ProcessSettings

Failpoint = Literal[
    # In a purchase:
    "after_stock_read",  # all was read and checked, nothing is written yet: between SELECT and UPDATE
    "lock_held",  # a lock outside the ledger was won, and nothing is read under it yet
    "after_decrement",  # the stock in Redis went down; the order is not in the ledger, the buyer not answered
    # In a worker:
    "task_taken",  # a published order was taken, and is not booked yet
    "after_batch_read",  # orders of the stream were delivered, and nothing is written yet
    "before_batch_commit",  # they are written to the ledger, and not committed
    "after_batch_commit",  # they are committed, and not acknowledged
]
Action = Literal["stop", "kill", "meet"]

POLL_SECONDS = 0.002
LONGEST_STOP_SECONDS = 30.0  # a controller that died must not leave anybody standing forever
LONGEST_MEETING_SECONDS = 0.5  # the holder of a lock meets nobody: the others wait for the lock

directory = ProcessSettings().failpoints

log = structlog.get_logger()


async def failpoint(point: Failpoint) -> None:
    """Return at once, unless a controller armed this point."""
    if directory is None:
        return
    if _claim(directory, point, "kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if _claim(directory, point, "stop"):
        log.info("stopped at a failpoint", point=point)
        stopped, go = _done(directory, point, "stop"), directory / f"{point}.go"
        await _while(lambda: stopped.exists() and not go.exists(), LONGEST_STOP_SECONDS)
    expected = _arrive(directory, point)
    if expected:
        arrived = directory / f"{point}.arrived"
        await _while(lambda: _size(arrived) < expected, LONGEST_MEETING_SECONDS)


async def _while(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while holds() and time.monotonic() < deadline:  # noqa: ASYNC110  what is waited for happens in other processes
        await asyncio.sleep(POLL_SECONDS)


def _claim(directory: Path, point: Failpoint, action: Action) -> bool:
    """Tell whether it happens to this caller: of all that pass, the rename succeeds for one."""
    try:
        (directory / f"{point}.{action}").rename(_done(directory, point, action))
    except FileNotFoundError:
        return False
    return True


def _done(directory: Path, point: Failpoint, action: Action) -> Path:
    return directory / f"{point}.{action}.done"


def _arrive(directory: Path, point: Failpoint) -> int:
    """Sign in with a byte, and return how many are expected; 0 if nobody meets."""
    try:
        expected = int((directory / f"{point}.meet").read_text())
    except FileNotFoundError:
        return 0
    with (directory / f"{point}.arrived").open("ab") as arrived:
        arrived.write(b".")
    return expected


def _size(file: Path) -> float:
    """Return the size in bytes, or infinity for a meeting that was called off: enough have come."""
    return file.stat().st_size if file.exists() else math.inf


class FailpointController:
    """The scenario's side: arms points, sees what happened at them, lets go. One scenario at a time in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def clear(self) -> None:
        """Disarm all points, forget what happened, and let everybody go on who stands at one."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for file in self._directory.iterdir():
            file.unlink(missing_ok=True)

    def kill_at(self, point: Failpoint) -> None:
        """Kill the first process that comes to the point, by SIGKILL; all others pass, its successor too."""
        self._arm(point, "kill")

    def stop_at(self, point: Failpoint) -> None:
        """Stop the first one that comes to the point until `release`, half a minute at most; all others pass."""
        self._arm(point, "stop")

    def meet_at(self, point: Failpoint, expected: int) -> None:
        """Hold all that come to the point until they are `expected`, half a second at most."""
        self._arm(point, "meet", str(expected))

    def disarm(self, point: Failpoint) -> None:
        """Let all pass from now on; one that stands there remains."""
        for action in ("stop", "kill", "meet"):
            (self._directory / f"{point}.{action}").unlink(missing_ok=True)

    def release(self, point: Failpoint) -> None:
        """Let the one that stands at the point go on."""
        (self._directory / f"{point}.go").touch()

    def happened(self, point: Failpoint, action: Action) -> bool:
        """Tell whether somebody came to the point and was stopped or killed."""
        return _done(self._directory, point, action).exists()

    def _arm(self, point: Failpoint, action: Action, content: str = "") -> None:
        """Write by a rename, so that no process reads a file that is half written."""
        unfinished = self._directory / f"{point}-{action}"
        unfinished.write_text(content)
        unfinished.replace(self._directory / f"{point}.{action}")
