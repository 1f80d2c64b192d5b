"""Measure the peak of the resident memory of processes while a load runs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import psutil

from app.lab.stack.waiting import in_background, repeat

SAMPLE_SECONDS = 0.1


class Peaks:
    """The peaks of single processes in MB, by kind: API processes, parents of workers and their children."""

    def __init__(self, api: Sequence[psutil.Process], workers: Sequence[psutil.Process]) -> None:
        self._processes = {
            "api": list(api),
            "worker_parent": list(workers),
            "worker_child": [child for worker in workers for child in worker.children(recursive=True)],
        }
        self.megabytes = {f"rss_{kind}_mb": 0.0 for kind in self._processes}

    async def update(self) -> None:
        """Read the memory of all processes once, and raise the peaks."""
        for kind, processes in self._processes.items():
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    present = process.memory_info().rss / 1e6
                    self.megabytes[f"rss_{kind}_mb"] = max(self.megabytes[f"rss_{kind}_mb"], present)


@asynccontextmanager
async def watching_memory(peaks: Peaks) -> AsyncIterator[None]:
    """Watch the memory while the block runs."""
    async with in_background(repeat(peaks.update, every_seconds=SAMPLE_SECONDS)):
        yield
    await peaks.update()
