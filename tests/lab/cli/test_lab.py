"""The command `lab` in a process of its own, with real stores and stand-ins for the service (stand_in_lab.py)."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app.lab.cli.main import main
from app.lab.stack import api_port, clients
from app.lab.stack.home import LabHome
from app.lab.stack.overview import own_command
from app.lab.stack.process import ProcessFailed
from app.lab.stack.servers.ports import free_port
from tests.support.processes import alive
from tests.support.running_lab import RunningLab
from tests.support.until import block_until

STAND_IN = [sys.executable, "-m", "tests.lab.cli.stand_in_lab"]


@pytest.fixture
def start_lab(tmp_path: Path) -> Iterator[Callable[..., RunningLab]]:
    labs: list[RunningLab] = []

    def start(home: str = "home", **environment: str) -> RunningLab:
        labs.append(RunningLab(STAND_IN, tmp_path / home, tmp_path / f"output-{len(labs)}", **environment))
        labs[-1].wait_ready()
        return labs[-1]

    yield start
    for lab in labs:
        if lab.process.poll() is None:
            lab.end(signal.SIGTERM)
        data = lab.home / "postgres"
        if data.is_symlink():
            shutil.rmtree(data.readlink(), ignore_errors=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_the_next_start_finds_the_data(
    start_lab: Callable[..., RunningLab], number: signal.Signals
) -> None:
    lab = start_lab()
    with Redis.from_url(lab.notes["redis_url"]) as stock:
        stock.set("ticket", "1")
    pids, ports = lab.pids, lab.notes["ports"]
    assert len(pids) > 6
    assert lab.end(number) == 0
    assert not any(alive(pid) for pid in pids)
    assert lab.notes["running"] is False
    stopped = re.findall(r"^(\S+) \.\.\. stopped", lab.printed, re.MULTILINE)
    assert stopped == ["api-1", "api-0", "worker-0", "postgres", "broker", "valkey"]

    again = start_lab()
    assert again.notes["ports"] == ports
    with Redis.from_url(again.notes["redis_url"]) as stock:
        assert stock.get("ticket") == b"1"


def test_after_kill_9_nothing_lives_on_and_the_next_start_works(start_lab: Callable[..., RunningLab]) -> None:
    lab = start_lab()
    with Redis.from_url(lab.notes["redis_url"]) as stock:
        stock.set("ticket", "1")
    pids = lab.pids
    lab.end(signal.SIGKILL)
    again = start_lab()
    assert not any(alive(pid) for pid in pids)
    with Redis.from_url(again.notes["redis_url"]) as stock:
        assert stock.get("ticket") == b"1"


def test_two_labs_run_side_by_side(start_lab: Callable[..., RunningLab]) -> None:
    one, other = start_lab("one"), start_lab("other")
    with Redis.from_url(one.notes["redis_url"]) as stock, Redis.from_url(other.notes["redis_url"]) as other_stock:
        stock.set("ticket", "1")
        assert other_stock.get("ticket") is None
    pids = [process["pid"] for process in other.notes["processes"]]
    one.end(signal.SIGTERM)
    assert pids
    assert all(alive(pid) for pid in pids)


def test_a_home_in_use_is_reported_in_one_line(
    start_lab: Callable[..., RunningLab], capsys: pytest.CaptureFixture[str]
) -> None:
    lab = start_lab()
    assert main(["lab", "--home", str(lab.home), "--port", str(free_port())]) == 1
    assert capsys.readouterr().err == (
        f"error: A lab already runs in {lab.home} (pid {lab.process.pid}). Choose another --home.\n"
    )


def test_a_killed_store_is_started_again_at_its_old_address(start_lab: Callable[..., RunningLab]) -> None:
    lab = start_lab()
    with Redis.from_url(lab.notes["redis_url"]) as stock:
        stock.set("ticket", "1")
    (pid,) = [process["pid"] for process in lab.notes["processes"] if process["name"] == "valkey"]
    os.kill(pid, signal.SIGKILL)
    block_until(lambda: "valkey started again" in lab.printed)
    with Redis.from_url(lab.notes["redis_url"]) as stock:
        assert stock.get("ticket") == b"1"


def test_servers_named_in_the_environment_are_used_and_printed(
    start_lab: Callable[..., RunningLab], redis_url: str, postgres_server: Any
) -> None:
    database_url = postgres_server.url.replace("postgres@", "postgres:secret@")
    lab = start_lab(REDIS_URL=redis_url, DATABASE_URL=database_url)
    assert f"REDIS_URL is set: using {redis_url}" in lab.printed
    assert "DATABASE_URL is set: using postgresql+asyncpg://postgres:***@" in lab.printed
    assert "secret" not in lab.printed
    assert (lab.notes["redis_url"], lab.notes["database_url"]) == (redis_url, database_url)
    assert list(lab.notes["ports"]) == ["broker"]


def test_a_given_server_that_is_away_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
    assert main(["lab", "--home", str(tmp_path), "--port", str(free_port())]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: REDIS_URL: no server answers at 127.0.0.1:{port}")


def test_a_port_in_use_is_reported_in_one_line_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as server:
        port = server.getsockname()[1]
        assert main(["lab", "--home", str(tmp_path / "home"), "--port", str(port)]) == 1
    captured = capsys.readouterr()
    assert captured.err == f"error: Port {port} on 127.0.0.1 is in use. Choose another --port.\n"
    assert captured.out == ""


def test_a_held_port_is_refused_to_another_lab_and_open_to_api_processes() -> None:
    port = free_port()
    with api_port.hold("127.0.0.1", port):
        with pytest.raises(ProcessFailed, match="in use"):
            api_port.hold("127.0.0.1", port)
        with socket.create_server(("127.0.0.1", port), reuse_port=True) as server:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            server.accept()[0].close()


def test_a_home_is_free_again_when_its_lab_has_ended(tmp_path: Path) -> None:
    first, second = LabHome(tmp_path), LabHome(tmp_path)
    first.lock()
    with pytest.raises(ProcessFailed, match=f"pid {os.getpid()}"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_the_banner_begins_with_the_dashboard_and_psql_opens_on_the_schema_of_the_ledger(
    start_lab: Callable[..., RunningLab],
) -> None:
    lab = start_lab(LEDGER_SCHEMA_NAME="shop-north")
    assert lab.printed.index(f"Dashboard               {lab.url}") < lab.printed.index("\nprocess ")
    command = [sys.executable, "-m", "app.lab.cli.main", "lab", "--home", str(lab.home), "--psql"]
    opened = subprocess.run(command, input="SHOW search_path;", capture_output=True, text=True, check=True)
    assert '"shop-north"' in opened.stdout


def test_no_password_is_in_the_arguments_of_psql(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"database_url": "postgresql+asyncpg://app:p%40w@ledger:5433/shop?ssl=require", "ledger_schema": "public"}
    monkeypatch.setattr(clients, "notes_of", lambda _home: given)
    client = clients.psql(LabHome(Path("home")))
    assert client.command[1] == "postgresql://app@ledger:5433/shop?sslmode=require"
    assert client.environment["PGPASSWORD"] == "p@w"


def test_a_client_of_a_lab_that_does_not_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for client in ("--psql", "--valkey-cli"):
        assert main(["lab", "--home", str(tmp_path), client]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: No lab runs in {tmp_path}.")


def test_the_address_of_the_stock_server_is_named_if_no_client_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = LabHome(tmp_path)
    home.lock()
    with pytest.raises(ProcessFailed, match="is in use, but no lab is ready in it"):
        clients.valkey_cli(home)
    home.write_notes({"running": True, "redis_url": "rediss://app:secret@127.0.0.1:1/2?ssl_ca_certs=/ca.crt"})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessFailed, match=r"Any client can connect to rediss://app:\*\*\*@127\.0\.0\.1:1/2"):
        clients.valkey_cli(home)
    program = tmp_path / "redis-cli"
    program.touch(mode=0o755)
    command, environment = clients.valkey_cli(home)
    assert command == [
        *(str(program), "-h", "127.0.0.1", "-p", "1", "-n", "2", "--user", "app", "--tls", "--cacert", "/ca.crt")
    ]
    assert environment == {"REDISCLI_AUTH": "secret"}
    home.unlock()  # as after a kill: the notes still say that it runs
    with pytest.raises(ProcessFailed, match="No lab runs in"):
        clients.valkey_cli(home)


def test_the_printed_command_is_a_path_that_leads_to_it_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/atomictickets"])
    assert own_command() == str(tmp_path / ".venv" / "bin" / "atomictickets")
