"""Carry out the faults that are requested on the dashboard, on the lab's own processes.

Each is undone by itself within a minute.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from app.api.lab_control import Fault, LabControl
from app.lab.stack.supervisor import ManagedProcess, Say, Supervisor

WORKER_RETURNS_SECONDS = 3.0
BROKER_RETURNS_SECONDS = 8.0  # long enough to show that sales do not need it
PAUSE_SECONDS = 60.0


class Faults:
    """The faults of one lab, both requested and active ones. Call `update` regularly from the lab's main thread.

    Servers that the lab did not start are not affected.
    """

    def __init__(self, control: LabControl, supervisor: Supervisor, say: Say) -> None:
        control.open()
        self._control = control
        self._supervisor = supervisor
        self._say = say
        self._paused_until: float | None = None
        self._written_state: dict[str, Any] = {}
        self._actions: dict[Fault, Callable[[], None]] = {
            Fault.STOP_WORKER: self._stop_worker,
            Fault.PAUSE_DRAIN: self._pause_drain,
            Fault.RESUME_DRAIN: self.resume_drain,
            Fault.DROP_BROKER: self._drop_broker,
            Fault.FORGET_COUNTER: self._forget_counter,
        }

    def update(self) -> None:
        """Carry out the requested faults, end a pause that is over, and write the state if it changed."""
        for fault in self._control.take_requests():
            self._say(f"requested on the dashboard: {fault}")
            self._actions[fault]()
        if self._paused_until is not None and time.monotonic() >= self._paused_until:
            self.resume_drain()
        if self._paused_until is not None:
            self._suspend_workers()  # includes a worker that was restarted meanwhile
        state = self._state()
        if state != self._written_state:
            self._control.write_state(state)
            self._written_state = state

    def resume_drain(self) -> None:
        """Let the workers continue. Call this before the lab stops its processes: a suspended process cannot end."""
        for process in self._worker_processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self._paused_until = None

    def _pause_drain(self) -> None:
        # Set first, so that the workers are resumed even if suspending one of them fails.
        self._paused_until = time.monotonic() + PAUSE_SECONDS
        self._suspend_workers()

    def _suspend_workers(self) -> None:
        for process in self._worker_processes():
            with suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_STOPPED:
                    process.suspend()

    def _stop_worker(self) -> None:
        running = [worker for worker in self._workers() if worker.server.running]
        if running:
            stop_for_a_while(running[0], WORKER_RETURNS_SECONDS)

    def _drop_broker(self) -> None:
        for broker in self._named("broker"):
            stop_for_a_while(broker, BROKER_RETURNS_SECONDS)

    def _forget_counter(self) -> None:
        from redis import Redis, RedisError  # noqa: PLC0415 - the lab starts faster without it

        for process in self._named("valkey"):
            try:
                with Redis.from_url(f"redis://{process.address}", socket_timeout=1) as stock:
                    stock.flushall()
            except RedisError as error:
                self._say(f"{process.name} could not be emptied: {error}")

    def _state(self) -> dict[str, Any]:
        return {
            "drain_paused": self._paused_until is not None,
            "faults": [
                fault.value
                for fault, possible in {
                    Fault.STOP_WORKER: True,
                    Fault.PAUSE_DRAIN: self._paused_until is None,
                    Fault.RESUME_DRAIN: self._paused_until is not None,
                    Fault.DROP_BROKER: bool(self._named("broker")),
                    Fault.FORGET_COUNTER: bool(self._named("valkey")),
                }.items()
                if possible
            ],
            "processes": [
                {"name": process.name, "running": process.server.running} for process in self._supervisor.processes
            ],
        }

    def _named(self, name: str) -> list[ManagedProcess]:
        return [process for process in self._supervisor.processes if process.name == name]

    def _workers(self) -> list[ManagedProcess]:
        return [process for process in self._supervisor.processes if process.name.startswith("worker-")]

    def _worker_processes(self) -> list[psutil.Process]:
        """Return the running processes of all workers. One may end at any moment; the others must still be found."""
        found: list[psutil.Process] = []
        for worker in self._workers():
            if worker.server.running:
                with suppress(psutil.NoSuchProcess):
                    parent = psutil.Process(worker.server.pid)
                    found += [parent, *parent.children(recursive=True)]
        return found


def stop_for_a_while(process: ManagedProcess, seconds: float) -> None:
    """Kill a process with SIGKILL, and let the supervisor start it again after `seconds`.

    The supervisor does not count this death, so it is no part of a crash loop.
    """
    process.restart_at = time.monotonic() + seconds
    process.server.kill()
