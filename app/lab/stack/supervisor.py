"""Start the processes of a lab in order, restart those that die, and stop all in the opposite order.

Everything happens in the calling thread. It must be the main thread, because the processes end with it
(die_with_parent.py) and signals arrive there. A signal only sets a flag, so no process is ever started without being
recorded.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from app.lab.stack.process import ChildProcess, ProcessFailed
from app.lab.stack.registry import ProcessRegistry
from app.lab.stack.restarts import RestartPolicy

READY_SECONDS = 60.0
Say = Callable[[str], None]


class Server(Protocol):
    """A server that can be supervised: an embedded store or a ChildProcess."""

    @property
    def pid(self) -> int: ...
    @property
    def running(self) -> bool: ...
    @property
    def exit_code(self) -> int | None: ...
    @property
    def log(self) -> Path: ...
    def start(self) -> None: ...
    def ask_to_stop(self) -> None: ...
    def stop(self) -> bool: ...
    def kill(self) -> None: ...
    def log_tail(self) -> str: ...


@dataclass
class ManagedProcess:
    """One supervised process.

    `ready`: returns whether the process is ready; None if `start` of the server returns only when it is
    `restart_at`: monotonic time at which the supervisor will start it again, or None
    """

    name: str
    server: Server
    address: str = "-"
    ready: Callable[[], bool] | None = None
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    restart_at: float | None = None

    async def is_ready(self) -> bool | None:
        """Return True if the process runs and is ready, and None otherwise, as `poll` expects."""
        return (self.server.running and (self.ready is None or await asyncio.to_thread(self.ready))) or None


class StopRequested(Exception):
    """Ctrl-C or SIGTERM arrived before the lab was ready, or while supervised work was running."""


class Supervisor:
    """The supervisor of one lab. Processes that are started together form a group, and are stopped together."""

    def __init__(self, registry: ProcessRegistry, say: Say = print) -> None:
        self._registry = registry
        self._say = say
        self._groups: list[list[ManagedProcess]] = []
        self.stop_requested = False

    @property
    def processes(self) -> list[ManagedProcess]:
        return [process for group in self._groups for process in group]

    @contextlib.contextmanager
    def signals_request_stop(self) -> Iterator[None]:
        """Set `stop_requested` on SIGINT and SIGTERM, inside this context.

        Further signals change nothing, because stopping takes a bounded time.
        """
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, processes: Sequence[ManagedProcess]) -> None:
        """Start the processes at once, as one group, and wait until each is ready.

        Raise ProcessFailed or StopRequested; call `stop` after either.
        """
        group: list[ManagedProcess] = []
        self._groups.append(group)
        begun = time.monotonic()
        for process in processes:
            self._refuse_when_stopping()
            group.append(process)
            self._launch(process)
            if process.ready is None:
                self._say(f"{process.name} ... ready in {time.monotonic() - begun:.1f} s")
                begun = time.monotonic()
        for process in processes:
            if process.ready is not None:
                self._wait_ready(process, process.ready)
                self._say(f"{process.name} ... ready in {time.monotonic() - begun:.1f} s")

    def run_to_end(self, name: str, process: ChildProcess) -> None:
        """Run a process that must succeed before the next group is started. Raise ProcessFailed if it fails."""
        begun = time.monotonic()
        process.start()
        self._registry.record(name, process.pid)
        try:
            process.finish(seconds=READY_SECONDS)
        finally:
            process.stop()
        self._say(f"{name} ... done in {time.monotonic() - begun:.1f} s")

    def check(self) -> None:
        """Check every process once. Report a process that died, and start it again when its delay is over.

        Raise ProcessFailed if a process dies too often.
        """
        for process in self.processes:
            if process.server.running:
                continue
            if process.restart_at is None:
                self._handle_death(process)
            elif time.monotonic() >= process.restart_at:
                self._restart(process)

    def stop(self) -> None:
        """Stop all processes, the group that was started last first.

        All processes of a group are sent the stop signal before the first of them is waited for.
        """
        for group in reversed(self._groups):
            begun = time.monotonic()
            for process in reversed(group):
                process.server.ask_to_stop()
            for process in reversed(group):
                graceful = process.server.stop()
                self._say(
                    f"{process.name} ... {'stopped' if graceful else 'killed'} in {time.monotonic() - begun:.1f} s"
                )
        self._groups.clear()
        self._registry.clear()

    def _launch(self, process: ManagedProcess) -> None:
        process.restart_at = None
        process.server.start()
        self._registry.record(process.name, process.server.pid)

    def _wait_ready(self, process: ManagedProcess, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            self._refuse_when_stopping()
            if not process.server.running:
                ended = f"{process.name} ended at start, exit code {process.server.exit_code}"
                raise ProcessFailed(f"{ended}:\n{process.server.log_tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailed(
                    f"{process.name} was not ready after {READY_SECONDS:g} s:\n{process.server.log_tail()}"
                )
            time.sleep(0.05)

    def _handle_death(self, process: ManagedProcess) -> None:
        exit_code = process.server.exit_code
        process.server.kill()  # ends what the dead process left in its group
        delay = process.restarts.delay_after_death(time.monotonic())
        if delay is None:
            raise ProcessFailed(f"{process.name} died too often, exit code {exit_code}:\n{process.server.log_tail()}")
        process.restart_at = time.monotonic() + delay
        self._say(f"{process.name} died, exit code {exit_code}; it restarts in {delay:g} s (log: {process.server.log})")

    def _restart(self, process: ManagedProcess) -> None:
        try:
            self._launch(process)
        except ProcessFailed as failure:
            self._say(f"{process.name} did not start: {failure.detail}")
        else:
            self._say(f"{process.name} started again, pid {process.server.pid}")

    def _refuse_when_stopping(self) -> None:
        if self.stop_requested:
            raise StopRequested

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True
