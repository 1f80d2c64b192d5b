"""The home of a lab: the directory of its data, logs and notes. Two labs with two homes share nothing."""

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

from app.lab.stack.process import ProcessFailed

DEFAULT_HOME = Path(".lab")
LOG_BYTES = 10_000_000  # a longer log of an earlier start is renamed when the process starts


class LabHome:
    """The home of one lab.

    Its file `lab.json` contains the notes: the addresses and processes of the lab, for other commands, and the ports
    that the next start uses again.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.logs = self.directory / "logs"
        self.metrics = self.directory / "metrics"
        self.control = self.directory / "control"
        self.registry = self.directory / "processes.json"
        self._notes = self.directory / "lab.json"
        self._lock_file = self.directory / "lab.lock"
        self._lock: int | None = None

    def lock(self) -> None:
        """Lock the home for this process. The lock ends with the process. Raise ProcessFailed if a lab runs in it."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.metrics.mkdir(exist_ok=True)
            self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ProcessFailed(f"The directory {self.directory} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 20, 0).decode()
            self.unlock()
            raise ProcessFailed(
                f"A lab already runs in {self.directory} (pid {owner}). Choose another --home."
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_in_use(self) -> bool:
        """Return whether a process holds the lock of this home. False if another user's can't be read."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def discard_data(self) -> None:
        """Remove the data of all stores. Otherwise a measurement would pay for draining what an earlier run left.

        If the lab runs as root, the data of PostgreSQL may be a link to another directory, which is removed too.
        """
        for data in (*self.directory.glob("valkey*"), self.directory / "broker", self.directory / "postgres"):
            shutil.rmtree(data.resolve(), ignore_errors=True)
        if (self.directory / "postgres").is_symlink():
            (self.directory / "postgres").unlink()

    def log(self, name: str) -> Path:
        """Return the path of a process's log, after renaming a log that has become too long."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".previous.log"))
        return path

    def read_notes(self) -> dict[str, Any]:
        """Return the notes of the last start. They are empty before the first start."""
        try:
            notes: dict[str, Any] = json.loads(self._notes.read_text())
        except FileNotFoundError:
            return {}
        return notes

    def write_notes(self, notes: dict[str, Any]) -> None:
        write_private_json(self._notes, notes)


def write_private_json(path: Path, content: object) -> None:
    """Replace the file in one step, readable by its owner only: the URL of a server may contain a password."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content, indent=2))
    unfinished.replace(path)
