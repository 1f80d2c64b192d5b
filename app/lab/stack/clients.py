"""The clients with which a user looks into the stores of a running lab: psql, and valkey-cli or redis-cli."""

import shutil
from collections.abc import Mapping
from typing import Any

from app.lab.stack.home import LabHome
from app.lab.stack.process import ProcessFailed, own_account
from app.lab.stack.servers.postgres_account import binaries_for


def psql_command(home: LabHome) -> list[str]:
    """Return the command that opens psql on the ledger: an installed one, or else that of the embedded PostgreSQL.

    Raise ProcessFailed if no lab runs in the home.
    """
    url = ledger_url(notes_of(home))
    return [shutil.which("psql") or str(binaries_for(own_account()) / "psql"), url]


def valkey_command(home: LabHome) -> list[str]:
    """Return the command that opens valkey-cli or redis-cli on the stock server.

    Raise ProcessFailed if no lab runs in the home, or if neither client is installed: no Python package has one.
    """
    url = str(notes_of(home)["redis_url"])
    program = shutil.which("valkey-cli") or shutil.which("redis-cli")
    if program is None:
        raise ProcessFailed(f"Neither valkey-cli nor redis-cli is on the PATH. Any client can connect to {url}.")
    return [program, "-u", url]


def ledger_url(notes: Mapping[str, Any]) -> str:
    """Return the address of the ledger as any client of PostgreSQL takes it, without the driver of SQLAlchemy."""
    return str(notes["database_url"]).replace("postgresql+asyncpg://", "postgresql://", 1)


def notes_of(home: LabHome) -> dict[str, Any]:
    """Return the notes of a running lab. Raise ProcessFailed if none runs in the home."""
    notes = home.read_notes()
    if not notes.get("running"):
        raise ProcessFailed(f"No lab runs in {home.directory}. Start one with `atomictickets lab`, or name its --home.")
    return notes
