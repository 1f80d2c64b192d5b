"""The probes of the processes that serve no HTTP otherwise, requested as by the kubelet, on a new connection each."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.lab.stack.process import ChildProcess
from app.lab.stack.servers.ports import free_port
from tests.support.probe import status
from tests.support.until import until

PROCESSES = [("app.reconciler", "RECONCILE_PROBE_PORT"), ("app.blasts.runner", "BLAST_RUNNER_PROBE_PORT")]
DEAD_DATABASE = "postgresql+asyncpg://postgres@127.0.0.1:1/nothing"  # port 1 refuses connections


@pytest.fixture
def start(tmp_path: Path, redis_url: str, key_prefix: str) -> Iterator[Callable[..., ChildProcess]]:
    started: list[ChildProcess] = []

    def start(module: str, **environment: str) -> ChildProcess:
        command = [sys.executable, "-m", module]
        stores = {"REDIS_URL": redis_url, "GATE_KEY_PREFIX": key_prefix}
        started.append(
            ChildProcess(module, command, log=tmp_path / "log", environment=os.environ | stores | environment)
        )
        started[-1].start()
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.mark.parametrize(("module", "variable"), PROCESSES)
async def test_a_process_that_works_is_ready_and_alive_until_it_ends(
    start: Callable[..., ChildProcess], module: str, variable: str, database_url: str
) -> None:
    port = free_port()
    process = start(module, DATABASE_URL=database_url, **{variable: str(port)})
    await until(lambda: status(port, "/readyz") == 200)
    assert status(port, "/healthz") == 200
    assert process.stop(seconds=30)
    assert process.exit_code == 0
    assert status(port, "/healthz") == 0


@pytest.mark.parametrize(("module", "variable"), PROCESSES)
async def test_a_process_without_its_ledger_is_alive_and_not_ready(
    start: Callable[..., ChildProcess], module: str, variable: str
) -> None:
    port = free_port()
    process = start(module, DATABASE_URL=DEAD_DATABASE, **{variable: str(port)})
    await until(lambda: status(port, "/healthz") == 200)
    assert status(port, "/readyz") == 503
    assert process.stop(seconds=30)
