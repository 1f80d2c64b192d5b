"""Starts the parts of a lab in order, restarts those that die, and stops all in the opposite order.

Everything happens in the calling thread. It must be the main thread, because the parts end with it (die_with_parent.py)
and signals arrive there. A signal only sets a flag, so no part is ever started without being recorded.
"""

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


class StopRequested(Exception):
    """Ctrl-C or SIGTERM arrived before the lab was ready, or while supervised work was running."""


class Supervisor:
    """The supervisor of one lab. Parts that are started together form a group, and are stopped together."""

    def __init__(self, registry: ProcessRegistry, say: Say = print) -> None:
        self._registry = registry
        self._say = say
        self._groups: list[list[ManagedProcess]] = []
        self.stop_requested = False

    @property
    def parts(self) -> list[ManagedProcess]:
        return [part for group in self._groups for part in group]

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

    def start(self, parts: Sequence[ManagedProcess]) -> None:
        """Start all parts at once, and wait until each is ready.

        Raise ProcessFailed or StopRequested; call `stop` after either.
        """
        group: list[ManagedProcess] = []
        self._groups.append(group)
        begun = time.monotonic()
        for part in parts:
            self._refuse_when_stopping()
            group.append(part)
            self._launch(part)
            if part.ready is None:
                self._say(f"{part.name} ... ready in {time.monotonic() - begun:.1f} s")
                begun = time.monotonic()
        for part in parts:
            if part.ready is not None:
                self._wait_ready(part, part.ready)
                self._say(f"{part.name} ... ready in {time.monotonic() - begun:.1f} s")

    def run_to_end(self, name: str, process: ChildProcess) -> None:
        """Run a process that must succeed before the next parts are started. Raise ProcessFailed if it fails."""
        begun = time.monotonic()
        process.start()
        self._registry.record(name, process.pid)
        try:
            process.finish(seconds=READY_SECONDS)
        finally:
            process.stop()
        self._say(f"{name} ... done in {time.monotonic() - begun:.1f} s")

    def check(self) -> None:
        """Check every part once. Report a part that died, and start it again when its delay is over.

        Raise ProcessFailed if a part dies too often.
        """
        for part in self.parts:
            if part.server.running:
                continue
            if part.restart_at is None:
                self._handle_death(part)
            elif time.monotonic() >= part.restart_at:
                self._restart(part)

    def stop(self) -> None:
        """Stop all parts, the group that was started last first.

        All parts of a group are sent the stop signal before the first of them is waited for.
        """
        for group in reversed(self._groups):
            begun = time.monotonic()
            for part in reversed(group):
                part.server.ask_to_stop()
            for part in reversed(group):
                graceful = part.server.stop()
                self._say(f"{part.name} ... {'stopped' if graceful else 'killed'} in {time.monotonic() - begun:.1f} s")
        self._groups.clear()
        self._registry.clear()

    def _launch(self, part: ManagedProcess) -> None:
        part.restart_at = None
        part.server.start()
        self._registry.record(part.name, part.server.pid)

    def _wait_ready(self, part: ManagedProcess, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            self._refuse_when_stopping()
            if not part.server.running:
                ended = f"{part.name} ended at start, exit code {part.server.exit_code}"
                raise ProcessFailed(f"{ended}:\n{part.server.log_tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{part.name} was not ready after {READY_SECONDS:g} s:\n{part.server.log_tail()}")
            time.sleep(0.05)

    def _handle_death(self, part: ManagedProcess) -> None:
        exit_code = part.server.exit_code
        part.server.kill()  # ends what the dead process left in its group
        delay = part.restarts.delay_after_death(time.monotonic())
        if delay is None:
            raise ProcessFailed(f"{part.name} died too often, exit code {exit_code}:\n{part.server.log_tail()}")
        part.restart_at = time.monotonic() + delay
        self._say(f"{part.name} died, exit code {exit_code}; it restarts in {delay:g} s (log: {part.server.log})")

    def _restart(self, part: ManagedProcess) -> None:
        try:
            self._launch(part)
        except ProcessFailed as failure:
            self._say(f"{part.name} did not start: {failure.detail}")
        else:
            self._say(f"{part.name} started again, pid {part.server.pid}")

    def _refuse_when_stopping(self) -> None:
        if self.stop_requested:
            raise StopRequested

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True
