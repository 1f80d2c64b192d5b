"""Named points of a purchase at which a scenario can stop a process or kill it, so that a race is no matter of luck.

RACE_BARRIERS names a directory; where it is unset a point is one comparison. What is to happen at a point is a file in
that directory, so that it works across processes, and what happened outlives the process that it happened to.
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

Point = Literal[
    "after_read",  # all was read and checked, nothing is written yet: between SELECT and UPDATE
    "lock_held",  # a lock outside the ledger was won, and nothing is read under it yet
    "after_decrement",  # the stock in Redis went down; the order is not in the ledger, the buyer not answered
    "task_taken",  # a worker took a published order and has not booked it
]
Action = Literal["stop", "die", "meet"]

POLL_SECONDS = 0.002
LONGEST_STOP_SECONDS = 30.0  # a conductor that died leaves nobody standing for ever
LONGEST_MEETING_SECONDS = 0.5  # whoever holds a lock meets nobody: the others wait for him

directory = Path(os.environ["RACE_BARRIERS"]) if "RACE_BARRIERS" in os.environ else None

log = structlog.get_logger()


async def reached(point: Point) -> None:
    """Returns at once, unless a scenario armed this point."""
    if directory is None:
        return
    if _claim(directory, point, "die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if _claim(directory, point, "stop"):
        log.info("stopped at a barrier", point=point)
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


def _claim(directory: Path, point: Point, action: Action) -> bool:
    """Whether this purchase is the one it happens to: of all that come by, a rename succeeds for one."""
    try:
        (directory / f"{point}.{action}").rename(_done(directory, point, action))
    except FileNotFoundError:
        return False
    return True


def _done(directory: Path, point: Point, action: Action) -> Path:
    return directory / f"{point}.{action}.done"


def _arrive(directory: Path, point: Point) -> int:
    """Signs in with a byte, and tells how many are expected; 0 where nobody meets."""
    try:
        expected = int((directory / f"{point}.meet").read_text())
    except FileNotFoundError:
        return 0
    with (directory / f"{point}.arrived").open("ab") as arrived:
        arrived.write(b".")
    return expected


def _size(file: Path) -> float:
    """Of a meeting that was called off: enough."""
    return file.stat().st_size if file.exists() else math.inf


class Conductor:
    """The scenario's side: arms points, sees what happened at them, lets go. One scenario at a time in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def clear(self) -> None:
        """No point is armed any more, and whoever stands at one goes on."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for file in self._directory.iterdir():
            file.unlink(missing_ok=True)

    def kill_at(self, point: Point) -> None:
        """The process whose purchase comes by first dies there, by SIGKILL."""
        self._arm(point, "die")

    def stop_at(self, point: Point) -> None:
        """The purchase that comes by first stands there until `release`; all others pass."""
        self._arm(point, "stop")

    def meet_at(self, point: Point, expected: int) -> None:
        """Purchases stand there until `expected` have come, half a second at most."""
        self._arm(point, "meet", str(expected))

    def disarm(self, point: Point) -> None:
        """Nobody is stopped there, or dies there, any more; who stands there stands."""
        for action in ("stop", "die", "meet"):
            (self._directory / f"{point}.{action}").unlink(missing_ok=True)

    def release(self, point: Point) -> None:
        (self._directory / f"{point}.go").touch()

    def happened(self, point: Point, action: Action) -> bool:
        """Whether a purchase came by and was stopped, or died."""
        return _done(self._directory, point, action).exists()

    def _arm(self, point: Point, action: Action, content: str = "") -> None:
        """By a rename, so that no process reads a file that is half written."""
        unfinished = self._directory / f"{point}-{action}"
        unfinished.write_text(content)
        unfinished.replace(self._directory / f"{point}.{action}")
