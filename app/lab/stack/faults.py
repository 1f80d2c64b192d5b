"""Faults that a person tries on the lab's own processes, from the page; each heals by itself within a minute."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from app.api.lab_control import Fault, LabControl
from app.lab.stack.supervisor import ManagedProcess, Say, Supervisor

WORKER_RETURNS_SECONDS = 3.0
BROKER_RETURNS_SECONDS = 8.0  # long enough to see that sales don't need it
PAUSE_SECONDS = 60.0


class Faults:
    """Call `look` from the lab's main thread. Servers that are not the lab's own are left alone."""

    def __init__(self, control: LabControl, supervisor: Supervisor, say: Say) -> None:
        control.open()
        self._control = control
        self._supervisor = supervisor
        self._say = say
        self._paused_until: float | None = None
        self._told: dict[str, Any] = {}
        self._actions: dict[Fault, Callable[[], None]] = {
            Fault.STOP_WORKER: self._stop_worker,
            Fault.PAUSE_DRAIN: self._pause_drain,
            Fault.RESUME_DRAIN: self.resume_drain,
            Fault.DROP_BROKER: self._drop_broker,
            Fault.FORGET_COUNTER: self._forget_counter,
        }

    def look(self) -> None:
        """Does what was asked for, ends what has lasted long enough, and tells how it stands."""
        for fault in self._control.take():
            self._say(f"from the page: {fault}")
            self._actions[fault]()
        if self._paused_until is not None and time.monotonic() >= self._paused_until:
            self.resume_drain()
        if self._paused_until is not None:
            self._suspend_workers()  # also one that died meanwhile, and was started again
        state = self._state()
        if state != self._told:
            self._control.tell(state)
            self._told = state

    def resume_drain(self) -> None:
        """A stopped process can't even end: call it before the lab stops its parts."""
        for process in self._worker_processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self._paused_until = None

    def _pause_drain(self) -> None:
        self._paused_until = time.monotonic() + PAUSE_SECONDS  # first: what was stopped by then will go on
        self._suspend_workers()

    def _suspend_workers(self) -> None:
        for process in self._worker_processes():
            with suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_STOPPED:
                    process.suspend()

    def _stop_worker(self) -> None:
        running = [part for part in self._workers() if part.server.running]
        if running:
            stop_for_a_while(running[0], WORKER_RETURNS_SECONDS)

    def _drop_broker(self) -> None:
        for part in self._named("broker"):
            stop_for_a_while(part, BROKER_RETURNS_SECONDS)

    def _forget_counter(self) -> None:
        from redis import Redis, RedisError  # noqa: PLC0415 - the lab's own process starts quicker without it

        for part in self._named("valkey"):
            try:
                with Redis.from_url(f"redis://{part.address}", socket_timeout=1) as stock:
                    stock.flushall()
            except RedisError as error:
                self._say(f"{part.name} could not be made to forget: {error}")

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
            "parts": [{"name": part.name, "running": part.server.running} for part in self._supervisor.parts],
        }

    def _named(self, name: str) -> list[ManagedProcess]:
        return [part for part in self._supervisor.parts if part.name == name]

    def _workers(self) -> list[ManagedProcess]:
        return [part for part in self._supervisor.parts if part.name.startswith("worker-")]

    def _worker_processes(self) -> list[psutil.Process]:
        """Those that live. One may end at any moment, which must keep none of the others from going on."""
        found: list[psutil.Process] = []
        for part in self._workers():
            if part.server.running:
                with suppress(psutil.NoSuchProcess):
                    parent = psutil.Process(part.server.pid)
                    found += [parent, *parent.children(recursive=True)]
        return found


def stop_for_a_while(part: ManagedProcess, seconds: float) -> None:
    """SIGKILL, and a start of its own later: no death that the supervisor would count as one of a crash loop."""
    part.restart_at = time.monotonic() + seconds
    part.server.kill()
