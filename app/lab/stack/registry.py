"""Which processes a lab started, on disk, so that the next start ends what a kill -9 left behind.

On Linux nearly nothing is left (die_with_parent.py); grandchildren and other systems make up the rest.
"""

import contextlib
import json
import os
from pathlib import Path

import psutil

from app.lab.stack.home import write_private_json
from app.lab.stack.process import kill_tree, wait_until_gone

HOME_VARIABLE = (
    "ATOMICTICKETS_LAB_HOME"  # in the environment of every child, so that its orphans can be told from strangers
)


def mark_children(home: Path) -> None:
    """Lets every process that is started from here on carry the mark of its home."""
    os.environ[HOME_VARIABLE] = str(home)


class ProcessRegistry:
    """Pids with their creation times (s since the epoch): a pid alone may be a stranger's by now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started: dict[str, tuple[int, float]] = {}

    def record(self, name: str, pid: int) -> None:
        """Also a process that has died meanwhile is recorded: its group may live on."""
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            created = 0.0
        self._started[name] = (pid, created)
        write_private_json(self._path, self._started)

    def clear(self) -> None:
        self._started.clear()
        self._path.unlink(missing_ok=True)

    def end_left_behind(self) -> int:
        """Under the home's lock: kills what an earlier lab left running, and returns how many processes that were."""
        try:
            entries: dict[str, tuple[int, float]] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return 0
        left = [process for pid, created in entries.values() for process in self._remains(pid, created)]
        for process in left:
            kill_tree(process.pid)
        wait_until_gone(left, seconds=5)
        self.clear()
        return len(left)

    def _remains(self, pid: int, created: float) -> list[psutil.Process]:
        """The process itself, or when it is gone the members of its group that carry this home's mark."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE:
                return [process]
        return [process for process in psutil.process_iter() if self._is_orphan_of(process, pid)]

    def _is_orphan_of(self, process: psutil.Process, group: int) -> bool:
        try:
            return os.getpgid(process.pid) == group and process.environ().get(HOME_VARIABLE) == str(self._path.parent)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess, psutil.AccessDenied):
            return False
