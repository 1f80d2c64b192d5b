"""A child process with a log file and a readiness check, which is stopped together with all its descendants."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import psutil

from app.errors import AtomicTicketsError

DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
POLL_SECONDS = 0.02
LOG_TAIL_LINES = 20


class ProcessFailed(AtomicTicketsError):
    """A process did not start, was not ready in time, or cannot run here."""

    slug = "process-failed"
    title = "Process Failed"


class Account(NamedTuple):
    """The user and group as which a process runs."""

    uid: int
    gid: int


def own_account() -> Account:
    return Account(os.geteuid(), os.getegid())


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command to run, and how to run it. Its output is appended to `log`."""

    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None
    directory: Path | None
    account: Account
    stop_signal: signal.Signals


class Running(Protocol):
    """A launched process, as far as ChildProcess uses it. subprocess.Popen is one."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...


def launch_dying_with_parent(launch: Launch) -> Running:
    """Start the command in a session of its own. It ends with the thread that calls this (die_with_parent.py)."""
    die_with_parent = (os.getpid(), int(launch.stop_signal), launch.account.uid, launch.account.gid)
    with launch.log.open("ab") as output:
        # -I -S: starts in 10 ms instead of 40 ms, and PYTHON* variables affect only the command.
        return subprocess.Popen(  # noqa: S603 - the lab's own commands, no shell
            [sys.executable, "-I", "-S", str(DIE_WITH_PARENT), *map(str, die_with_parent), *launch.command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=launch.environment,
            cwd=launch.directory,
            start_new_session=True,
        )


class ChildProcess:
    """One command that runs as a child process.

    It has a session of its own, so a Ctrl-C in the terminal reaches only the lab, which stops its children in order.

    `log`: the file to which its output is appended
    `stop_signal`: requests a graceful end. The kernel sends the same signal when the thread that called `start` dies
        (see die_with_parent.py).
    """

    launcher: ClassVar[Callable[[Launch], Running]] = staticmethod(launch_dying_with_parent)

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.log = log
        self._environment = environment
        self._directory = directory
        self._account = account or own_account()
        self._stop_signal = stop_signal
        self._process: Running | None = None
        self._log_offset = 0
        self._asked_to_stop = False

    @property
    def pid(self) -> int:
        """Return the pid of the running or last process. Raise ProcessFailed if it was never started."""
        if self._process is None:
            raise ProcessFailed(f"{self.name} was not started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, or None while the process runs. A negative code is the signal that ended it."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start the process, and return at once. On Linux the process ends with the thread that calls this."""
        if self.running:
            raise ProcessFailed(f"{self.name} already runs as pid {self.pid}.")
        self._asked_to_stop = False
        self._log_offset = self.log.stat().st_size if self.log.exists() else 0
        self._process = type(self).launcher(
            Launch(
                command=self.command,
                log=self.log,
                environment=self._environment,
                directory=self._directory,
                account=self._account,
                stop_signal=self._stop_signal,
            )
        )

    def wait_ready(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `ready` returns True.

        Raise ProcessFailed, with the end of the log, if the process ends first or is not ready in time.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise ProcessFailed(f"{self.name} ended at start, exit code {self.exit_code}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{self.name} was not ready after {seconds:g} s:\n{self.log_tail()}")
            time.sleep(POLL_SECONDS)

    def finish(self, *, seconds: float) -> None:
        """Wait until the process ends with exit code 0. Otherwise raise ProcessFailed, with the end of the log."""
        self.wait_ready(lambda: self.exit_code == 0, seconds=seconds)

    def ask_to_stop(self) -> None:
        """Send the stop signal, only once: Celery and uvicorn end without grace on a second one."""
        if self._process is not None and self.running and not self._asked_to_stop:
            self._asked_to_stop = True
            self._process.send_signal(self._stop_signal)

    def stop(self, *, seconds: float = 10) -> bool:
        """Request a graceful end, wait, and kill what is left. Return whether the process ended by itself in time."""
        if self._process is None:
            return True
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        graceful = not self.running
        self.kill()
        return graceful

    def kill(self) -> None:
        """Send SIGKILL to the process, its descendants and the rest of its group, and wait until they are gone."""
        if self._process is None:
            return
        if self.running:
            kill_tree(self._process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def log_tail(self) -> str:
        """Return the last lines that the current or last run wrote."""
        with self.log.open("rb") as log:
            log.seek(self._log_offset)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])


def kill_tree(pid: int) -> None:
    """Kill a process and its descendants, also those in other groups, and wait until they are gone or zombies."""
    try:
        root = psutil.Process(pid)
        root.suspend()  # a stopped parent forks no child between the listing and the kill
        doomed = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until_gone(doomed[:-1], seconds=5)


def wait_until_gone(processes: Sequence[psutil.Process], *, seconds: float) -> None:
    """Wait until the processes are gone. Raise ProcessFailed after `seconds`.

    They need not be children of this process. A zombie counts as gone, because its new parent may never reap it.
    """
    deadline = time.monotonic() + seconds
    for process in processes:
        while _alive(process):
            if time.monotonic() > deadline:
                raise ProcessFailed(f"The process {process.pid} still runs {seconds:g} s after it was sent SIGKILL.")
            time.sleep(POLL_SECONDS)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
