"""Where a benchmark ran: machine, disk, versions, commit. Whoever reads the figures judges them by this."""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from app.blasts.load.result import nearest_rank
from app.lab.stack.machine import machine, versions

SYNCS = 200
SYNCED_BYTES = 512  # some orders of the stock server's log
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True)
class Disk:
    """Of one data directory. fdatasync in seconds: what `appendfsync always` waits for at each turn of the server."""

    filesystem: str
    fsync_p50: float
    fsync_p99: float

    @property
    def is_real(self) -> bool:
        return self.filesystem not in IN_MEMORY

    def as_json(self) -> dict[str, Any]:
        return {
            "filesystem": self.filesystem,
            "fsync_p50_ms": round(self.fsync_p50 * 1000, 3),
            "fsync_p99_ms": round(self.fsync_p99 * 1000, 3),
        }


def disk_of(directory: Path) -> Disk:
    seconds = sorted(time_syncs(directory))
    return Disk(filesystem_of(directory), nearest_rank(seconds, 50), nearest_rank(seconds, 99))


def filesystem_of(directory: Path) -> str:
    """The type of the file system that is mounted closest above."""
    place = directory.resolve()
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    return next((mounts[above] for above in (place, *place.parents) if above in mounts), "unknown")


def time_syncs(directory: Path) -> list[float]:
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


def describe() -> dict[str, Any]:
    return {"machine": machine() | {"cpu": processor()}, "versions": versions(), "commit": commit()}


def processor() -> str:
    """The model's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def commit() -> str:
    """Of the source that runs; 'unknown' where it isn't a checkout."""
    place = Path(__file__).parent
    try:
        head = git(place, "rev-parse", "--short=12", "HEAD")
        return head + (" with changes" if git(place, "status", "--porcelain", "--", ":/app", ":/worker") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def git(place: Path, *arguments: str) -> str:
    command = ["git", "-C", str(place), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  no shell
