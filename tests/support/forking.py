"""The test's side of the fork server, which forks the processes of a ChildProcess instead of starting them."""

import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.lab.stack.process import Launch, Running, launch_dying_with_parent, own_account
from tests.support import fork_server

POLL_SECONDS = 0.05


@dataclass(eq=False)
class Forked:
    """A process that the server forked, with the methods that a ChildProcess needs."""

    server: "ForkServer"
    pid: int

    def poll(self) -> int | None:
        return self.server.exit_code(self)

    def wait(self, timeout: float | None = None) -> int:
        return self.server.wait(self, timeout)

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


class ForkServer:
    """A running fork server. It ends with the thread that made it, and the forked processes end with the server."""

    def __init__(self, log: Path) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", fork_server.__name__, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).parents[2],
                pass_fds=[theirs.fileno()],
            )
        self._lock = threading.RLock()
        self._exit_codes: dict[int, int] = {}

    def close(self) -> None:
        """End the server. The kernel then sends its processes their stop signal."""
        self._channel.close()
        self._process.wait()

    def launch(self, launch: Launch) -> Running:
        """Fork the process if its command is `python -m module ...`; start any other command in the ordinary way."""
        environment = dict(os.environ if launch.environment is None else launch.environment)
        is_module = tuple(launch.command[:2]) == (sys.executable, "-m")
        if not is_module or launch.account != own_account():
            return launch_dying_with_parent(launch)
        launch.log.touch()  # a test may read the log before the process has begun
        request = {
            "arguments": launch.command[2:],
            "environment": environment,
            "directory": str(launch.directory or Path.cwd()),
            "log": str(launch.log.absolute()),
            "parent_death_signal": int(launch.stop_signal),
        }
        with self._lock:
            message = json.dumps(request).encode()
            if len(message) > fork_server.MAX_BYTES:
                raise ValueError(f"an environment of {len(message)} bytes is too large for the fork server")
            self._channel.sendall(message)
            while "started" not in (reply := self._next_message()):
                self._note(reply)
            self._exit_codes.pop(reply["started"], None)  # of an earlier process with the same pid
            return Forked(self, reply["started"])

    def exit_code(self, process: Forked) -> int | None:
        """Return the exit code, or None if the process is running."""
        with self._lock:
            while process.pid not in self._exit_codes and self._has_message(0):
                self._note(self._next_message())
            return self._exit_codes.get(process.pid)

    def wait(self, process: Forked, timeout: float | None) -> int:
        """Wait for the process to end and return its exit code. Raise TimeoutExpired after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.exit_code(process)) is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired(f"pid {process.pid}", timeout or 0)
            self._has_message(POLL_SECONDS if left is None else min(left, POLL_SECONDS))  # another thread may take it
        return code

    def _has_message(self, timeout: float) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            return bool(selector.select(timeout))

    def _next_message(self) -> dict[str, int]:
        received = self._channel.recv(fork_server.MAX_BYTES)
        if not received:
            raise RuntimeError("the fork server has ended")
        message: dict[str, int] = json.loads(received)
        return message

    def _note(self, message: Mapping[str, int]) -> None:
        self._exit_codes[message["ended"]] = message["exit_code"]
