"""CPU time: of chosen processes, and of everybody else, over a stretch of time."""

import resource
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

import psutil

KTHREADD = 2


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class Usage:
    """From its making until `stop`. The clock of CPU time ticks each 10 ms: measure a second at least."""

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self._processes = list(processes)
        self._begun = monotonic()
        self._before = [cpu_seconds(process) for process in self._processes]
        self._machine, self._ours = machine_seconds(), our_seconds()
        self.seconds: list[float] = []
        self.foreign = 0.0

    def stop(self) -> None:
        """Sets `seconds` of each process, and `foreign`: cores that processes other than ours used meanwhile."""
        self.seconds = [
            cpu_seconds(process) - before for process, before in zip(self._processes, self._before, strict=True)
        ]
        others = (machine_seconds() - self._machine) - (our_seconds() - self._ours)
        self.foreign = max(0.0, others) / (monotonic() - self._begun)


def machine_seconds() -> float:
    """Without interrupts, which are nobody's own."""
    times = psutil.cpu_times()
    return float(times.user + times.system)


def our_seconds() -> float:
    """Of this process, its living descendants, its children that have ended (the load generators), and the kernel."""
    ours = psutil.Process()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ended.ru_utime + ended.ru_stime
    for process in (ours, *ours.children(recursive=True), *kernel_threads()):
        with suppress(psutil.NoSuchProcess):
            total += cpu_seconds(process)
    return float(total)


def kernel_threads() -> list[psutil.Process]:
    """They write what we sync. Linux shows them as children of process 2; elsewhere there are none to see."""
    if not psutil.LINUX:
        return []
    return [process for process in psutil.process_iter(["ppid"]) if process.info["ppid"] == KTHREADD]
