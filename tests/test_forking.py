"""A forked process sees the same and ends the same way as a process started by its command."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.lab.stack.process import ChildProcess, launch_dying_with_parent
from tests.support.forking import ForkServer
from tests.support.processes import alive
from tests.support.project import PROJECT
from tests.support.until import block_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")

PROBE = """
import json, os, sys, time
if sys.argv[1] == "sleep":
    print(os.getpid(), flush=True)
    time.sleep(1000)
seen = {"arguments": sys.argv, "directory": os.getcwd(), "variable": os.environ.get("VARIABLE"), "name": __name__}
seen |= {"home": os.environ.get("HOME"), "leads": os.getsid(0) == os.getpid(), "input": sys.stdin.read()}
print(json.dumps(seen))
sys.exit(int(sys.argv[1]))
"""
ABANDON = """
import os, sys, time
from pathlib import Path
from app.lab.stack.process import ChildProcess
from tests.support.forking import ForkServer
home = Path(sys.argv[1])
ChildProcess.launcher = ForkServer(home / "server.log").launch
environment = {"PYTHONPATH": str(home)}
ChildProcess("probe", [sys.executable, "-m", "probe", "sleep"], log=home / "log", environment=environment).start()
while not (home / "log").read_text().endswith("\\n"):
    time.sleep(0.01)
os._exit(0)
"""


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[ForkServer]:
    server = ForkServer(tmp_path / "server.log")
    yield server
    server.close()


def probe(home: Path, argument: str) -> ChildProcess:
    (home / "probe.py").write_text(PROBE)
    environment = {"VARIABLE": "value", "PYTHONPATH": str(home)}
    command = [sys.executable, "-m", "probe", argument]
    return ChildProcess("probe", command, log=home / "log", environment=environment, directory=home)


def test_it_sees_and_returns_what_the_command_does(
    forks: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for launcher in (staticmethod(launch_dying_with_parent), forks.launch):
        monkeypatch.setattr(ChildProcess, "launcher", launcher)
        process = probe(tmp_path, "3")
        process.start()
        block_until(lambda process=process: not process.running)  # type: ignore[misc]  # a default binds it
        results.append((process.exit_code, json.loads(process.log_tail())))
    assert results[0] == results[1]
    assert (results[0][0], results[0][1]["variable"], results[0][1]["leads"]) == (3, "value", True)


def test_its_signals_and_its_end_are_known(forks: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChildProcess, "launcher", forks.launch)
    process = probe(tmp_path, "sleep")
    process.start()
    process.wait_ready(lambda: process.log_tail() == str(process.pid), seconds=30)
    assert process.stop(seconds=30)
    assert process.exit_code == -signal.SIGTERM
    process.start()
    process.kill()
    assert process.exit_code == -signal.SIGKILL


def test_it_ends_with_the_process_that_asked_for_it(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    subprocess.run([sys.executable, "-c", ABANDON, str(tmp_path)], cwd=PROJECT, check=True)
    pid = int((tmp_path / "log").read_text())
    block_until(lambda: not alive(pid))
