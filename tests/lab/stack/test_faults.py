"""Faults on real processes: a stopped one comes back, a paused one goes on, and neither counts as a crash loop."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.api.lab_control import Fault, LabControl, is_loopback
from app.lab.stack import faults as faults_module
from app.lab.stack.faults import Faults
from app.lab.stack.process import ChildProcess
from app.lab.stack.registry import ProcessRegistry
from app.lab.stack.supervisor import ManagedProcess, Supervisor
from tests.support.until import until

Condition = Callable[[], Awaitable[bool]]


def silent(_: str) -> None:
    """Stand in for the lab's terminal, and print nothing."""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """Return a supervisor of two processes that do nothing, named after a worker and the broker."""
    supervisor = Supervisor(ProcessRegistry(tmp_path / "processes.json"), silent)
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    supervisor.start(
        [
            ManagedProcess(name, ChildProcess(name, command, log=tmp_path / f"{name}.log"))
            for name in ("worker-1", "broker")
        ]
    )
    yield supervisor
    supervisor.stop()


@pytest.fixture
def control(tmp_path: Path) -> LabControl:
    return LabControl(tmp_path / "control")


@pytest.fixture
def faults(control: LabControl, supervisor: Supervisor) -> Faults:
    return Faults(control, supervisor, silent)


def running(control: LabControl) -> dict[str, bool]:
    return {process["name"]: process["running"] for process in control.state()["processes"]}


def conditions(process: psutil.Process) -> tuple[Condition, Condition]:
    """Return two conditions: that the process is stopped by a signal, and that it is not."""

    async def stopped() -> bool:
        return process.status() == psutil.STATUS_STOPPED

    async def going_on() -> bool:
        return not await stopped()

    return stopped, going_on


@pytest.mark.parametrize("fault", [Fault.STOP_WORKER, Fault.DROP_BROKER])
async def test_what_is_stopped_comes_back(
    faults: Faults, control: LabControl, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    name = "worker-1" if fault is Fault.STOP_WORKER else "broker"
    monkeypatch.setattr(faults_module, "WORKER_RETURNS_SECONDS", 0.2)
    monkeypatch.setattr(faults_module, "BROKER_RETURNS_SECONDS", 0.2)

    async def back() -> bool:
        supervisor.check()
        faults.update()
        return running(control)[name]

    for _ in range(7):  # seven deaths in a minute are a crash loop, unless they were requested
        assert control.request(fault)
        faults.update()
        assert running(control) == {"worker-1": True, "broker": True} | {name: False}
        await until(back)


async def test_the_drain_is_paused_and_goes_on(faults: Faults, control: LabControl, supervisor: Supervisor) -> None:
    stopped, going_on = conditions(psutil.Process(supervisor.processes[0].server.pid))
    control.request(Fault.PAUSE_DRAIN)
    faults.update()
    await until(stopped)
    assert control.state()["drain_paused"] is True
    assert Fault.PAUSE_DRAIN not in control.state()["faults"]
    control.request(Fault.RESUME_DRAIN)
    faults.update()
    await until(going_on)


async def test_a_worker_that_comes_back_while_the_drain_is_paused_is_paused_too(
    faults: Faults, control: LabControl, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults_module, "WORKER_RETURNS_SECONDS", 0.2)
    worker = supervisor.processes[0]
    first = worker.server.pid
    control.request(Fault.PAUSE_DRAIN)
    control.request(Fault.STOP_WORKER)
    faults.update()

    async def back() -> bool:
        supervisor.check()
        return worker.server.running and worker.server.pid != first

    await until(back)
    stopped, going_on = conditions(psutil.Process(worker.server.pid))
    faults.update()
    await until(stopped)
    faults.resume_drain()
    await until(going_on)


async def test_a_process_that_ends_meanwhile_keeps_no_other_from_being_paused_and_going_on(
    faults: Faults, control: LabControl, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, worker = psutil.Popen([sys.executable, "-c", ""]), psutil.Process(supervisor.processes[0].server.pid)
    ended.wait()
    monkeypatch.setattr(faults, "_worker_processes", lambda: [ended, worker])
    stopped, going_on = conditions(worker)
    control.request(Fault.PAUSE_DRAIN)
    faults.update()
    await until(stopped)
    faults.resume_drain()
    await until(going_on)


async def test_a_pause_that_nobody_ends_ends_itself(
    faults: Faults, control: LabControl, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults_module, "PAUSE_SECONDS", 0.0)
    control.request(Fault.PAUSE_DRAIN)
    faults.update()
    assert control.state()["drain_paused"] is False
    assert psutil.Process(supervisor.processes[0].server.pid).status() != psutil.STATUS_STOPPED


def test_a_server_that_is_not_the_labs_own_is_left_alone(faults: Faults, control: LabControl) -> None:
    faults.update()
    assert Fault.FORGET_COUNTER not in control.state()["faults"]  # there is no process named valkey


def test_requests_that_nobody_takes_are_bounded(control: LabControl) -> None:
    control.open()
    assert [control.request(Fault.STOP_WORKER) for _ in range(25)].count(True) == 20


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False), ("", False)],
)
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here
