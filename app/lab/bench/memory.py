"""The resident memory of processes at its highest, while a load runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import psutil

LOOK_SECONDS = 0.1


class Peaks:
    """Of API processes, of workers' parents and of their children, each by itself."""

    def __init__(self, api: Sequence[psutil.Process], workers: Sequence[psutil.Process]) -> None:
        self._processes = {
            "api": list(api),
            "worker_parent": list(workers),
            "worker_child": [child for worker in workers for child in worker.children(recursive=True)],
        }
        self.megabytes = {f"rss_{kind}_mb": 0.0 for kind in self._processes}

    def look(self) -> None:
        for kind, processes in self._processes.items():
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    found = process.memory_info().rss / 1e6
                    self.megabytes[f"rss_{kind}_mb"] = max(self.megabytes[f"rss_{kind}_mb"], found)


@asynccontextmanager
async def watching_memory(peaks: Peaks) -> AsyncIterator[None]:
    async def keep_looking() -> None:
        while True:
            peaks.look()
            await asyncio.sleep(LOOK_SECONDS)

    looking = asyncio.create_task(keep_looking())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait({looking})
        peaks.look()
