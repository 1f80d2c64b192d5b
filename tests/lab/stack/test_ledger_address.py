"""The lab's tools read DATABASE_URL as the service does: with one server or several, of which one takes writes."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from app.lab.race.ledger import bookings_of, connected
from app.lab.race.target import Target
from app.lab.stack import clients
from app.lab.stack.home import LabHome
from app.lab.stack.ledger_address import LedgerAddress
from app.lab.stack.process import ProcessFailed
from app.lab.stack.servers.ports import free_port
from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.stores import check_reachable
from app.ledger.migrate import migrate
from tests.fixtures.standby import MakeLedgerPair

PORT = "SELECT current_setting('port')::int"
WRITES = "?target_session_attrs=read-write"
ADDRESSES = [
    ("postgresql+asyncpg://u@a/db", [("a", 5432)], "postgresql://u@a:5432/db"),
    ("postgresql://u@[::1]:5433", [("::1", 5433)], "postgresql://u@[::1]:5433/"),
    ("postgresql+asyncpg://u@/db?host=a:1", [("a", 1)], "postgresql://u@a:1/db"),
    ("postgresql+asyncpg://u@/db?host=a:1&host=b:2", [("a", 1), ("b", 2)], f"postgresql://u@a:1,b:2/db{WRITES}"),
    ("postgresql+asyncpg:///db?host=a,b&port=1,2&user=u", [("a", 1), ("b", 2)], f"postgresql://u@a:1,b:2/db{WRITES}"),
    (
        "postgresql+asyncpg://u:p%40w@a/db?ssl=verify-full&sslrootcert=/ca.crt&prepared_statement_cache_size=0",
        [("a", 5432)],
        "postgresql://u:p%40w@a:5432/db?sslmode=verify-full&sslrootcert=%2Fca.crt",
    ),
]


@pytest.mark.parametrize(("url", "hosts", "libpq"), ADDRESSES)
def test_the_parts_of_a_url(url: str, hosts: list[tuple[str, int]], libpq: str) -> None:
    address = LedgerAddress.of(url)
    assert list(address.hosts) == hosts
    assert address.libpq(password=True) == libpq
    assert address.libpq(password=False) == libpq.replace(":p%40w", "")
    assert "p@w" not in repr(address)


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("nonsense:secret", "Could not parse"),
        ("mysql://u:secret@a/db", "must begin with postgresql"),
        ("postgresql+asyncpg://u:secret@/db", "must begin with postgresql"),
        ("postgresql+asyncpg://u:secret@a:port/db", "invalid literal for int"),
        ("postgresql+asyncpg://u:secret@/db?host=a&host=b", "All ports are required"),
        ("postgresql+asyncpg://u:secret@/db?host=a:1&port=2,3", "number of hosts and ports"),
    ],
)
def test_a_url_that_the_service_could_not_use_is_named_in_one_line(url: str, part: str) -> None:
    with pytest.raises(ProcessFailed, match=f"DATABASE_URL is not the URL of a server: .*{part}") as raised:
        check_reachable("DATABASE_URL", url)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_of_several_servers_that_answers_is_enough(postgres_server: PostgresServer) -> None:
    away = [free_port(), free_port()]
    check_reachable("DATABASE_URL", several(away[0], postgres_server.port))
    with pytest.raises(ProcessFailed, match=f"no server answers at 127.0.0.1:{away[0]} .*, 127.0.0.1:{away[1]}"):
        check_reachable("DATABASE_URL", several(*away))


async def test_psql_and_a_race_read_the_server_that_takes_writes(
    make_ledger_pair: MakeLedgerPair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pair = make_ledger_pair()
    await migrate(pair.url)
    for url in (pair.url, several(pair.standby.port, pair.primary.port)):  # the standby is the last, and the first
        async with connected(Target("http://127.0.0.1:1", database_url=url)) as connection:
            assert await connection.fetchval(PORT) == pair.primary.port
            assert await bookings_of(connection, "drop") == []
        monkeypatch.setattr(clients, "notes_of", lambda _, url=url: {"database_url": url, "ledger_schema": "public"})
        program, address = clients.psql(LabHome(tmp_path)).command
        asked = [program, "-XAtqc", PORT, address]
        shown = await asyncio.to_thread(subprocess.run, asked, capture_output=True, text=True, check=True)
        assert int(shown.stdout) == pair.primary.port


def several(*ports: int) -> str:
    """Return the URL of several servers, as SQLAlchemy reads it."""
    return "postgresql+asyncpg://postgres@/atomictickets?" + "&".join(f"host=127.0.0.1:{port}" for port in ports)
