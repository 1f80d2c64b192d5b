"""The three stores of a lab: embedded servers, or the servers that the environment names."""

import re
import socket
from urllib.parse import urlsplit

from app.lab.stack.home import LabHome
from app.lab.stack.ledger_address import LedgerAddress
from app.lab.stack.process import ProcessFailed
from app.lab.stack.servers.ports import LOOPBACK, free_port, is_free
from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.servers.valkey import ValkeyServer
from app.lab.stack.supervisor import ManagedProcess, Say
from app.redis_address import RedisAddress
from app.settings import GivenStores

CONNECT_SECONDS = 3.0
NOT_GIVEN = GivenStores.model_construct()


class Stores:
    """The stores of one lab.

    `urls`: the environment variables by which every process of the lab finds its stores
    `processes`: the embedded servers, which the lab must start
    `ports`: the ports of the embedded servers, by name
    """

    def __init__(self, home: LabHome, given: GivenStores | None = None, say: Say = print) -> None:
        """Use the `given` servers, and embedded ones for the rest. Raise ProcessFailed if a given one is away."""
        self.urls: dict[str, str] = {}
        self.processes: list[ManagedProcess] = []
        self.ports: dict[str, int] = {}
        self._last_ports: dict[str, int] = home.read_notes().get("ports", {})
        for variable, url in (given or NOT_GIVEN).by_variable().items():
            if url:
                check_reachable(variable, url)
                say(f"{variable} is set: using {without_password(url)}")
                self.urls[variable] = url
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
        self.processes.append(ManagedProcess(name, server, address=f"{LOOPBACK}:{server.port}"))

    def _port(self, name: str) -> int:
        """Return the port of the last start if it is still free, so that clients need not change their settings."""
        last = self._last_ports.get(name)
        self.ports[name] = last if last and is_free(last) else free_port()
        return self.ports[name]


def check_reachable(variable: str, url: str) -> None:
    """Raise ProcessFailed if no server answers at the URL. Otherwise the API would never become ready."""
    try:
        hosts = (LedgerAddress if variable == "DATABASE_URL" else RedisAddress).of(url).hosts
    except ValueError as error:
        raise ProcessFailed(f"{variable} is not the URL of a server: {error}.") from error
    failures = []
    for host, port in hosts:
        try:
            socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            failures.append(f"{host}:{port} ({error})")
        else:
            return  # one of several servers is enough: it knows the others, or takes over from them
    raise ProcessFailed(f"{variable}: no server answers at {', '.join(failures)}.")


def without_password(url: str) -> str:
    """Return the URL with its passwords replaced by asterisks."""
    url = re.sub(r"(sentinel_password=)[^&#]*", r"\1***", url)
    parts = urlsplit(url)
    return url if parts.password is None else url.replace(f":{parts.password}@", ":***@", 1)
