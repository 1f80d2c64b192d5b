"""The directory of one lab: its data, logs and notes. Two labs with two homes share nothing."""

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

from app.lab.stack.process import ProcessFailed

DEFAULT_HOME = Path(".lab")
LOG_BYTES = 10_000_000  # a longer log of an earlier start makes way


class LabHome:
    """`lab.json` tells other commands where things are, and the next start which ports to take again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.logs = self.directory / "logs"
        self.metrics = self.directory / "metrics"
        self.control = self.directory / "control"
        self.registry = self.directory / "processes.json"
        self._notes = self.directory / "lab.json"
        self._lock: int | None = None

    def lock(self) -> None:
        """Makes the home this process's own until it ends, however it ends. ProcessFailed if a living lab has it."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.metrics.mkdir(exist_ok=True)
            self._lock = os.open(self.directory / "lab.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ProcessFailed(f"{self.directory} cannot be a lab's home: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 20, 0).decode()
            self.unlock()
            raise ProcessFailed(
                f"a lab already runs in {self.directory} (pid {owner}); choose another --home"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def discard_data(self) -> None:
        """What an earlier run left would be drained, and paid for, by this one. As root PostgreSQL's may be a link."""
        for data in (*self.directory.glob("valkey*"), self.directory / "broker", self.directory / "postgres"):
            shutil.rmtree(data.resolve(), ignore_errors=True)
        if (self.directory / "postgres").is_symlink():
            (self.directory / "postgres").unlink()

    def log(self, name: str) -> Path:
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".previous.log"))
        return path

    def read_notes(self) -> dict[str, Any]:
        """Empty before the first start."""
        try:
            notes: dict[str, Any] = json.loads(self._notes.read_text())
        except FileNotFoundError:
            return {}
        return notes

    def write_notes(self, notes: dict[str, Any]) -> None:
        write_private_json(self._notes, notes)


def write_private_json(path: Path, content: object) -> None:
    """All or nothing, and for the owner's eyes: the URL of a foreign server may hold a password."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content, indent=2))
    unfinished.replace(path)
