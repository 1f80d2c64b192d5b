"""By what the page of a lab reaches the lab's own process: a directory that both can write, and nobody else.

A request is a file; the lab's main thread, which alone may start processes, takes it at its next look (0.2 s). What the
lab has to tell is in one file. There is no port that a stranger could find.
"""

import ipaddress
import json
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Any

from app.settings import LabSettings

VARIABLE = "LAB_CONTROL_DIRECTORY"
RACE_REPORT = "race.json"
MOST_REQUESTS = 20  # that wait; a lab that hangs must not fill a disk


class Fault(StrEnum):
    STOP_WORKER = "stop-worker"
    PAUSE_DRAIN = "pause-drain"
    RESUME_DRAIN = "resume-drain"
    DROP_BROKER = "drop-broker"
    FORGET_COUNTER = "forget-counter"


class LabControl:
    """Both sides of it. `directory` is the lab's to make and to clear."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._state = directory / "state.json"
        self._race = directory.parent / RACE_REPORT
        self._race_read: tuple[tuple[int, ...], dict[str, Any]] | None = None  # which file, and what is in it

    @classmethod
    def of_environment(cls) -> "LabControl | None":
        """None where no lab has started this process, or one that listens to more than this machine."""
        directory = LabSettings().control_directory
        return LabControl(directory) if directory else None

    def request(self, fault: Fault) -> bool:
        """False where so many wait that the lab can't be well."""
        if len(self._requests()) >= MOST_REQUESTS:
            return False
        draft = self._directory / f"{uuid.uuid4().hex}.draft"
        draft.write_text(fault.value)
        draft.rename(draft.with_suffix(".request"))  # the lab sees whole requests only
        return True

    def state(self) -> dict[str, Any]:
        """What the lab told last; empty before it has told anything."""
        try:
            told: dict[str, Any] = json.loads(self._state.read_text())
        except FileNotFoundError:
            return {}
        return told

    def race_report(self) -> dict[str, Any] | None:
        """What `atomictickets race` wrote last into the lab's home; None where it never did. Not to be changed.

        Read again only when it was written again: an open page asks twice a second, and twenty strategies are 100 kB.
        """
        try:
            seen = self._race.stat()
            version = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
            if self._race_read is None or self._race_read[0] != version:
                self._race_read = (version, json.loads(self._race.read_text()))
        except FileNotFoundError:
            self._race_read = None
            return None
        return self._race_read[1]

    def open(self) -> None:
        """The lab's side: whatever an earlier lab left is gone."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for left in self._directory.iterdir():
            left.unlink()

    def take(self) -> list[Fault]:
        """The lab's side: the requests since the last look, the oldest first."""
        taken = []
        for path in self._requests():
            taken.append(Fault(path.read_text()))
            path.unlink()
        return taken

    def tell(self, state: dict[str, Any]) -> None:
        """The lab's side."""
        draft = self._state.with_suffix(".draft")
        draft.write_text(json.dumps(state))
        draft.rename(self._state)

    def _requests(self) -> list[Path]:
        return sorted(self._directory.glob("*.request"), key=lambda path: path.stat().st_mtime_ns)


def is_loopback(host: str) -> bool:
    """Whether the name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
