"""The clients with which a user looks into the stores of a running lab: psql, and valkey-cli or redis-cli."""

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from app.lab.stack.home import LabHome
from app.lab.stack.ledger_address import LedgerAddress
from app.lab.stack.process import ProcessFailed, own_account
from app.lab.stack.servers.postgres_account import binaries_for
from app.lab.stack.stores import without_password
from app.redis_address import RedisAddress

TLS_FILES = {"ssl_ca_certs": "--cacert", "ssl_certfile": "--cert", "ssl_keyfile": "--key"}


class Client(NamedTuple):
    """The command of a client. A password is in its environment, since others can read a command line."""

    command: list[str]
    environment: dict[str, str]

    def replace_this_process(self) -> NoReturn:
        """Run the client in place of this process, so that it gets the terminal and its signals."""
        os.execve(self.command[0], self.command, os.environ | self.environment)  # noqa: S606  no shell is wanted


def psql(home: LabHome) -> Client:
    """Return psql on the ledger, in its schema.

    It is that of the embedded PostgreSQL, since an installed one may be too old for its commands, such as `\\d`. Raise
    ProcessFailed if no lab runs in the home, or if there is neither.
    """
    notes = notes_of(home)
    program = str(psql_program())
    environment = {"PGOPTIONS": f'-c search_path="{notes["ledger_schema"]}"'}
    if password := LedgerAddress.of(notes["database_url"]).password:
        environment["PGPASSWORD"] = password
    return Client([program, ledger_url(notes)], environment)


def psql_program() -> Path:
    """Return the path of the embedded psql, or of an installed one. Raise ProcessFailed if there is neither."""
    try:
        return binaries_for(own_account()) / "psql"
    except ProcessFailed:
        installed = shutil.which("psql")
        if installed is None:
            raise
        return Path(installed)


def valkey_cli(home: LabHome) -> Client:
    """Return valkey-cli or redis-cli on the stock server.

    Raise ProcessFailed if no lab runs in the home, or if neither client is installed: no Python package has one.
    """
    url = str(notes_of(home)["redis_url"])
    program = valkey_program()
    if program is None:
        where = without_password(url)
        raise ProcessFailed(f"Neither valkey-cli nor redis-cli is on the PATH. Any client can connect to {where}.")
    address = RedisAddress.of(url)
    if address.kind == "sentinel":
        raise ProcessFailed("REDIS_URL names Sentinels. Ask one of them for the primary, and connect to that.")
    host, port = address.hosts[0]
    command = [program, "-h", host, "-p", str(port)]
    command += ["-c"] if address.kind == "cluster" else ["-n", str(address.database)]
    command += ["--user", address.username] if address.username else []
    if address.tls is not None:
        command += ["--tls", *(part for name, file in address.tls.items() for part in (TLS_FILES[name], file))]
    return Client(command, {"REDISCLI_AUTH": address.password} if address.password else {})


def valkey_program() -> str | None:
    """Return the path of valkey-cli or redis-cli, or None if neither is installed."""
    return shutil.which("valkey-cli") or shutil.which("redis-cli")


def ledger_url(notes: dict[str, Any]) -> str:
    """Return the address of the ledger as libpq takes it, without a password."""
    return LedgerAddress.of(notes["database_url"]).libpq(password=False)


def notes_of(home: LabHome) -> dict[str, Any]:
    """Return the notes of a running lab. Raise ProcessFailed if none runs in the home."""
    if not home.is_in_use():
        raise ProcessFailed(f"No lab runs in {home.directory}. Start one with `atomictickets lab`, or name its --home.")
    notes = home.read_notes()
    if not notes.get("running"):
        raise ProcessFailed(
            f"{home.directory} is in use, but no lab is ready in it. Try again when the lab has printed its addresses."
        )
    return notes
