"""The lab's three stores: embedded ones, or the servers that the environment names."""

import os
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from app.lab.home import LabHome
from app.lab.process import ProcessFailed
from app.lab.servers.ports import free_port, is_free
from app.lab.servers.postgres import PostgresServer
from app.lab.servers.valkey import ValkeyServer
from app.lab.supervisor import Part, Say

VARIABLES = ("REDIS_URL", "BROKER_URL", "DATABASE_URL")
DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "postgresql": 5432}
CONNECT_SECONDS = 3.0


class Stores:
    """`urls` is the environment by which every process of the lab finds its stores; `parts` are those to start here."""

    def __init__(self, home: LabHome, environment: Mapping[str, str] = os.environ, say: Say = print) -> None:
        self.urls: dict[str, str] = {}
        self.parts: list[Part] = []
        self.ports: dict[str, int] = {}
        self._remembered: dict[str, int] = home.read_notes().get("ports", {})
        for variable in VARIABLES:
            foreign = environment.get(variable)
            if foreign:
                check_reachable(variable, foreign)
                say(f"{variable} is set: using {without_password(foreign)}")
                self.urls[variable] = foreign
            else:
                self._embed(variable, home)

    def _embed(self, variable: str, home: LabHome) -> None:
        server: ValkeyServer | PostgresServer
        if variable == "REDIS_URL":
            name, server = "valkey", ValkeyServer(home.directory / "valkey", self._port("valkey"))
        elif variable == "BROKER_URL":
            name, server = "broker", ValkeyServer(home.directory / "broker", self._port("broker"), appendfsync="off")
        else:
            name, server = "postgres", PostgresServer(home.directory, self._port("postgres"))
        self.urls[variable] = server.url
        self.parts.append(Part(name, server, address=f"127.0.0.1:{server.port}"))

    def _port(self, name: str) -> int:
        """The port of the last start if it is still free, so that a client's bookmark keeps working."""
        remembered = self._remembered.get(name)
        self.ports[name] = remembered if remembered and is_free(remembered) else free_port()
        return self.ports[name]


def check_reachable(variable: str, url: str) -> None:
    """Raises ProcessFailed at once, in place of an API that never gets ready."""
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme.split("+")[0])
    if not parts.hostname or not port:
        raise ProcessFailed(f"{variable} names no server: {without_password(url)}")
    try:
        socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise ProcessFailed(f"{variable}: nobody answers at {parts.hostname}:{port} ({error})") from error


def without_password(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.password is None else url.replace(f":{parts.password}@", ":***@", 1)
