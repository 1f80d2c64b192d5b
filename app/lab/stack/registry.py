"""A list on disk of the processes that a lab started, so that the next start ends those that a kill -9 left behind.

On Linux only grandchildren may be left (see die_with_parent.py). On other systems, all processes may be.
"""

import contextlib
import json
import os
from pathlib import Path

import psutil

from app.lab.stack.home import write_private_json
from app.lab.stack.process import kill_tree, wait_until_gone

# In the environment of every child. It distinguishes an orphan of this lab from any other process.
HOME_VARIABLE = "ATOMICTICKETS_LAB_HOME"


def mark_children(home: Path) -> None:
    """Set the variable that marks every process started from now on as one of this home."""
    os.environ[HOME_VARIABLE] = str(home)


class ProcessRegistry:
    """The started processes, by name: pid and creation time in Unix seconds.

    The creation time is needed because another process may have the pid by now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started: dict[str, tuple[int, float]] = {}

    def record(self, name: str, pid: int) -> None:
        """Record a started process. One that has died meanwhile is recorded too, because its group may live on."""
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
        """Kill the processes that an earlier lab left, and return their number. The home must be locked."""
        try:
            entries: dict[str, tuple[int, float]] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return 0
        survivors = [process for pid, created in entries.values() for process in self._survivors(pid, created)]
        for process in survivors:
            kill_tree(process.pid)
        wait_until_gone(survivors, seconds=5)
        self.clear()
        return len(survivors)

    def _survivors(self, pid: int, created: float) -> list[psutil.Process]:
        """Return the process itself or, if it is gone, the members of its group that are marked with this home."""
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
