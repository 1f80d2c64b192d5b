"""The life of a lab's processes: they are started in order, watched, stopped in order, and never left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.lab.stack.process import ChildProcess, ProcessFailed
from app.lab.stack.registry import HOME_VARIABLE, ProcessRegistry
from app.lab.stack.restarts import MAX_DEATHS, WINDOW_SECONDS, RestartPolicy
from app.lab.stack.supervisor import ManagedProcess, StopRequested, Supervisor
from tests.support.processes import alive
from tests.support.until import block_until

SLEEP = "import time; time.sleep(1000)"
WITH_CHILD = "import subprocess; subprocess.run(['sleep', '1000'])"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(1000)"


class Supervised:
    """A supervisor with its messages, and a way to make stand-ins for its processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.messages: list[str] = []
        self.registry = ProcessRegistry(directory / "processes.json")
        self.supervisor = Supervisor(self.registry, self.messages.append)

    def process(self, name: str, program: str, ready: Callable[[], bool] = lambda: True) -> ManagedProcess:
        process = ChildProcess(name, [sys.executable, "-c", program], log=self.directory / f"{name}.log")
        return ManagedProcess(name, process, ready=ready)

    def check_until(self, condition: Callable[[], object]) -> None:
        def checked() -> object:
            self.supervisor.check()
            return condition()

        block_until(checked)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    supervised = Supervised(tmp_path)
    yield supervised
    supervised.supervisor.stop()


def test_stopping_leaves_no_process_and_goes_backwards(supervised: Supervised) -> None:
    supervised.supervisor.start([supervised.process("store", SLEEP)])
    worker = supervised.process("worker", WITH_CHILD)
    supervised.supervisor.start([worker, supervised.process("api", SLEEP)])
    block_until(lambda: psutil.Process(worker.server.pid).children())
    pids = [
        family.pid
        for process in supervised.supervisor.processes
        for family in [psutil.Process(process.server.pid), *psutil.Process(process.server.pid).children(recursive=True)]
    ]
    assert len(pids) == 4
    supervised.messages.clear()
    supervised.supervisor.stop()
    block_until(lambda: not any(alive(pid) for pid in pids))
    assert [line.split(" ... ")[0] for line in supervised.messages] == ["api", "worker", "store"]


def test_a_process_deaf_to_the_stop_signal_is_killed(supervised: Supervised) -> None:
    process = supervised.process("deaf", DEAF)
    supervised.supervisor.start([process])
    block_until(lambda: "deaf" in process.server.log.read_text())
    assert isinstance(process.server, ChildProcess)
    assert process.server.stop(seconds=0.2) is False
    assert process.server.exit_code == -signal.SIGKILL


def test_a_process_that_dies_is_reported_and_started_again(supervised: Supervised) -> None:
    process = supervised.process("worker", SLEEP)
    supervised.supervisor.start([process])
    first = process.server.pid
    os.kill(first, signal.SIGKILL)
    supervised.check_until(lambda: process.server.pid != first and process.server.running)
    assert any(line.startswith("worker died, exit code -9") for line in supervised.messages)


def test_children_of_a_dead_process_are_killed_before_it_is_started_again(supervised: Supervised) -> None:
    process = supervised.process("worker", WITH_CHILD)
    supervised.supervisor.start([process])
    block_until(lambda: psutil.Process(process.server.pid).children())
    (orphan,) = psutil.Process(process.server.pid).children()
    os.kill(process.server.pid, signal.SIGKILL)
    supervised.check_until(lambda: process.server.running and not alive(orphan.pid))


def test_a_crash_loop_is_given_up_with_the_end_of_the_log(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.lab.stack.restarts.FIRST_DELAY_SECONDS", 0.001)
    supervised.supervisor.start([supervised.process("worker", "print('no such queue'); raise SystemExit(3)")])
    with pytest.raises(ProcessFailed, match="worker died too often, exit code 3:\nno such queue"):
        supervised.check_until(lambda: False)


def test_a_process_that_ends_at_start_fails_it_with_the_end_of_the_log(supervised: Supervised) -> None:
    process = supervised.process("api", "raise SystemExit('no such setting')", ready=lambda: False)
    with pytest.raises(ProcessFailed, match="api ended at start, exit code 1:\nno such setting"):
        supervised.supervisor.start([process])


def test_a_signal_during_the_start_stops_it(supervised: Supervised) -> None:
    def interrupted() -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    process = supervised.process("api", SLEEP, ready=interrupted)
    with supervised.supervisor.signals_request_stop(), pytest.raises(StopRequested):
        supervised.supervisor.start([process])
    supervised.supervisor.stop()
    assert not process.server.running


def test_restarts_wait_longer_each_time_and_then_no_more() -> None:
    policy = RestartPolicy()
    assert [policy.delay_after_death(float(second)) for second in range(6)] == [0.25, 0.5, 1, 2, 4, None]


def test_deaths_far_apart_are_never_a_crash_loop() -> None:
    policy = RestartPolicy()
    delays = {policy.delay_after_death(number * (WINDOW_SECONDS + 1)) for number in range(3 * MAX_DEATHS)}
    assert delays == {0.25}


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that is bound to no lab, like one that a kill -9 leaves if the kernel does not end it."""
    with subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True) as process:
        yield process
        process.kill()


def test_the_next_start_ends_what_was_left_behind(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    ProcessRegistry(tmp_path / "processes.json").record("worker", stranger.pid)
    assert ProcessRegistry(tmp_path / "processes.json").end_left_behind() == 1
    assert stranger.wait(10) == -signal.SIGKILL
    assert ProcessRegistry(tmp_path / "processes.json").end_left_behind() == 0


def test_another_process_that_has_the_pid_by_now_is_left_alone(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    path = tmp_path / "processes.json"
    path.write_text(f'{{"worker": [{stranger.pid}, 1.0]}}')
    assert ProcessRegistry(path).end_left_behind() == 0
    assert stranger.poll() is None


@pytest.mark.parametrize("marked", [True, False])
def test_orphans_of_a_dead_group_are_ended_only_with_this_homes_mark(tmp_path: Path, *, marked: bool) -> None:
    program = "import subprocess; print(subprocess.Popen(['sleep', '1000']).pid, flush=True); import os; os._exit(0)"
    environment = os.environ | ({HOME_VARIABLE: str(tmp_path)} if marked else {})
    with subprocess.Popen(
        [sys.executable, "-c", program], start_new_session=True, env=environment, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        parent.wait()
        # Popen returns when exec has closed its pipe, and the program gets its environment only after that. On a busy
        # machine a test could look in between.
        block_until(orphan.environ)
        registry = ProcessRegistry(tmp_path / "processes.json")
        registry.record("worker", parent.pid)
        try:
            assert ProcessRegistry(tmp_path / "processes.json").end_left_behind() == int(marked)
            assert alive(orphan.pid) is not marked
        finally:
            if alive(orphan.pid):
                orphan.kill()
