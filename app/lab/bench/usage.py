"""Measure CPU time: that of chosen processes, and that of all other programs on the machine."""

import resource
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

import psutil

KTHREADD = 2


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process so far, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


class Usage:
    """The CPU time from the creation of this object until `stop`.

    The kernel counts CPU time in ticks of 10 ms, so measure at least one second.

    `seconds`: CPU time of each process
    `foreign`: cores that other programs used
    """

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self._processes = list(processes)
        self._begun = monotonic()
        self._before = [cpu_seconds(process) for process in self._processes]
        self._machine, self._ours = machine_seconds(), our_seconds()
        self.seconds: list[float] = []
        self.foreign = 0.0

    def stop(self) -> None:
        """End the measurement, and set `seconds` and `foreign`."""
        self.seconds = [
            cpu_seconds(process) - before for process, before in zip(self._processes, self._before, strict=True)
        ]
        others = (machine_seconds() - self._machine) - (our_seconds() - self._ours)
        self.foreign = max(0.0, others) / (monotonic() - self._begun)


def machine_seconds() -> float:
    """Return the CPU time of the machine in seconds, without interrupts, which belong to no process."""
    times = psutil.cpu_times()
    return float(times.user + times.system)


def our_seconds() -> float:
    """Return the CPU time of the benchmark in seconds.

    It is that of this process, of its descendants, of its children that have ended (the load generators), and of the
    kernel's threads.
    """
    ours = psutil.Process()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ended.ru_utime + ended.ru_stime
    for process in (ours, *ours.children(recursive=True), *kernel_threads()):
        with suppress(psutil.NoSuchProcess):
            total += cpu_seconds(process)
    return float(total)


def kernel_threads() -> list[psutil.Process]:
    """Return the kernel's threads, which write the synced data. They are the children of process 2.

    On systems other than Linux they are not visible, and the list is empty.
    """
    if not psutil.LINUX:
        return []
    return [process for process in psutil.process_iter(["ppid"]) if process.info["ppid"] == KTHREADD]
