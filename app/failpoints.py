"""Named points in the code at which a test or a scenario stops or kills a process, to force a race.

The setting FAILPOINTS names a directory. If it is unset, a failpoint costs one comparison. The action at a point is a
file in that directory, so it works across processes, and what happened at a point outlives the process.
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
    "after_stock_read",  # everything is read and checked, and nothing is written: between SELECT and UPDATE
    "lock_held",  # a lock outside the ledger is held, and nothing is read under it yet
    "after_decrement",  # Redis has decided, and the buyer has no answer; under `atomic` it may be a refusal, or booked
    # In a worker:
    "task_taken",  # a published order was taken, and is not booked yet
    "after_batch_read",  # orders of the stream were delivered, and nothing is written yet
    "before_batch_commit",  # they are written to the ledger, and not committed yet
    "after_batch_commit",  # they are committed, and not acknowledged yet
]
Action = Literal["stop", "kill", "meet"]

POLL_SECONDS = 0.002
MAX_STOP_SECONDS = 30.0  # if a controller dies, no caller stays stopped forever
MAX_MEETING_SECONDS = 0.5  # short: the holder of a lock waits here in vain, since the others wait for the lock

directory = ProcessSettings().failpoints

log = structlog.get_logger()


async def failpoint(point: Failpoint) -> None:
    """Return at once, unless a controller armed this point. See FailpointController for the actions."""
    if directory is None:
        return
    if _claim(directory, point, "kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if _claim(directory, point, "stop"):
        log.info("stopped at a failpoint", point=point)
        stopped, go = _done(directory, point, "stop"), directory / f"{point}.go"
        await _while(lambda: stopped.exists() and not go.exists(), MAX_STOP_SECONDS)
    expected = _arrive(directory, point)
    if expected:
        arrived = directory / f"{point}.arrived"
        await _while(lambda: _size(arrived) < expected, MAX_MEETING_SECONDS)


async def _while(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until the condition is false, for `seconds` at most."""
    deadline = time.monotonic() + seconds
    while holds() and time.monotonic() < deadline:  # noqa: ASYNC110  other processes make the condition false
        await asyncio.sleep(POLL_SECONDS)


def _claim(directory: Path, point: Failpoint, action: Action) -> bool:
    """Return whether this caller takes the armed action: of all callers that pass, the rename succeeds for one."""
    try:
        (directory / f"{point}.{action}").rename(_done(directory, point, action))
    except FileNotFoundError:
        return False
    return True


def _done(directory: Path, point: Failpoint, action: Action) -> Path:
    return directory / f"{point}.{action}.done"


def _arrive(directory: Path, point: Failpoint) -> int:
    """Add a byte to the meeting's file, and return the number of expected callers; 0 if there is no meeting."""
    try:
        expected = int((directory / f"{point}.meet").read_text())
    except FileNotFoundError:
        return 0
    with (directory / f"{point}.arrived").open("ab") as arrived:
        arrived.write(b".")
    return expected


def _size(file: Path) -> float:
    """Return the size in bytes, or infinity if the file is gone because the meeting was called off."""
    return file.stat().st_size if file.exists() else math.inf


class FailpointController:
    """The scenario's side: arms points, sees what happened at them, and releases callers.

    One scenario at a time may use a directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def clear(self) -> None:
        """Disarm all points, delete all records of what happened, and let every stopped caller go on."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for file in self._directory.iterdir():
            file.unlink(missing_ok=True)

    def kill_at(self, point: Failpoint) -> None:
        """Kill the first process that reaches the point, by SIGKILL. All others pass, including its successor."""
        self._arm(point, "kill")

    def stop_at(self, point: Failpoint) -> None:
        """Stop the first caller that reaches the point until `release`, half a minute at most.

        Its process goes on meanwhile, and all other callers pass.
        """
        self._arm(point, "stop")

    def meet_at(self, point: Failpoint, expected: int) -> None:
        """Hold all callers that reach the point until there are `expected`, half a second at most."""
        self._arm(point, "meet", str(expected))

    def disarm(self, point: Failpoint) -> None:
        """Let all callers pass from now on. One that is stopped at the point stays stopped."""
        for action in ("stop", "kill", "meet"):
            (self._directory / f"{point}.{action}").unlink(missing_ok=True)

    def release(self, point: Failpoint) -> None:
        """Let the caller that is stopped at the point go on."""
        (self._directory / f"{point}.go").touch()

    def happened(self, point: Failpoint, action: Action) -> bool:
        """Return whether a caller was stopped at the point, or a process was killed there."""
        return _done(self._directory, point, action).exists()

    def _arm(self, point: Failpoint, action: Action, content: str = "") -> None:
        """Write the file by a rename, so that no process reads half of it."""
        unfinished = self._directory / f"{point}-{action}"
        unfinished.write_text(content)
        unfinished.replace(self._directory / f"{point}.{action}")
