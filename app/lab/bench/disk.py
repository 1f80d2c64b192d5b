"""Measure the disk that a benchmark writes to, because its figures depend on it."""

import os
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from app.blasts.load.result import nearest_rank

SYNCS = 200
SYNCED_BYTES = 512  # about as many bytes as some orders take in the stock server's log
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of one data directory.

    `fsync_p50`, `fsync_p99`: seconds of one fdatasync. With `appendfsync always` each turn of the server waits for one.
    """

    filesystem: str
    fsync_p50: float
    fsync_p99: float

    @property
    def is_real(self) -> bool:
        """Return whether the data is on a disk and not in memory."""
        return self.filesystem not in IN_MEMORY

    def as_json(self) -> dict[str, Any]:
        return {
            "filesystem": self.filesystem,
            "fsync_p50_ms": round(self.fsync_p50 * 1000, 3),
            "fsync_p99_ms": round(self.fsync_p99 * 1000, 3),
        }


def disk_of(directory: Path) -> Disk:
    """Measure the disk of this directory."""
    seconds = sorted(time_syncs(directory))
    return Disk(filesystem_of(directory), nearest_rank(seconds, 50), nearest_rank(seconds, 99))


def filesystem_of(directory: Path) -> str:
    """Return the type of the file system that has the directory."""
    path = directory.resolve()
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    return next((mounts[parent] for parent in (path, *path.parents) if parent in mounts), "unknown")


def time_syncs(directory: Path) -> list[float]:
    """Return the seconds of 200 writes with fdatasync in the directory."""
    file = directory / "fsync-probe"
    sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
    seconds = []
    with file.open("wb", buffering=0) as probe:
        for _ in range(SYNCS):
            probe.write(b"x" * SYNCED_BYTES)
            begun = perf_counter()
            sync(probe.fileno())
            seconds.append(perf_counter() - begun)
    file.unlink()
    return seconds
