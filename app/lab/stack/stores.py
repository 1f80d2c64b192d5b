"""The lab's three stores: embedded ones, or the servers that the environment names."""

import socket
from urllib.parse import urlsplit

from app.lab.stack.home import LabHome
from app.lab.stack.process import ProcessFailed
from app.lab.stack.servers.ports import free_port, is_free
from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.servers.valkey import ValkeyServer
from app.lab.stack.supervisor import ManagedProcess, Say
from app.redis_address import RedisAddress
from app.settings import GivenStores

CONNECT_SECONDS = 3.0
NOT_GIVEN = GivenStores.model_construct()


class Stores:
    """`urls` is the environment by which every process of the lab finds its stores; `parts` are those to start here."""

    def __init__(self, home: LabHome, given: GivenStores | None = None, say: Say = print) -> None:
        """Starts all of them unless some are `given`. Raises ProcessFailed if nobody answers at one of those."""
        self.urls: dict[str, str] = {}
        self.parts: list[ManagedProcess] = []
        self.ports: dict[str, int] = {}
        self._remembered: dict[str, int] = home.read_notes().get("ports", {})
        for variable, foreign in (given or NOT_GIVEN).by_variable().items():
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
        self.parts.append(ManagedProcess(name, server, address=f"127.0.0.1:{server.port}"))

    def _port(self, name: str) -> int:
        """The port of the last start if it is still free, so that a client's bookmark keeps working."""
        remembered = self._remembered.get(name)
        self.ports[name] = remembered if remembered and is_free(remembered) else free_port()
        return self.ports[name]


def check_reachable(variable: str, url: str) -> None:
    """Raises ProcessFailed at once, in place of an API that never gets ready."""
    try:
        hosts = [_postgres(url)] if variable == "DATABASE_URL" else RedisAddress.of(url).hosts
    except ValueError as error:
        raise ProcessFailed(f"{variable} names no server: {error}") from error
    failures = []
    for host, port in hosts:
        try:
            socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            failures.append(f"{host}:{port} ({error})")
        else:
            return  # of several, one that answers knows the others
    raise ProcessFailed(f"{variable}: nobody answers at {', '.join(failures)}")


def _postgres(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme.partition("+")[0] != "postgresql":
        raise ValueError("it begins with postgresql+asyncpg://[user@]host")
    return parts.hostname, parts.port or 5432


def without_password(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.password is None else url.replace(f":{parts.password}@", ":***@", 1)
