"""The control directory, through which the API of a lab reaches the process that runs the lab.

A request is a file. The lab's main thread, the only one that may start processes, takes it at its next check, within
0.2 s. The lab writes its state to one file. Only the user of the lab can write to the directory, and no port is open
that a stranger could find.
"""

import ipaddress
import json
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Any

from app.api.race_reports import RaceReports
from app.settings import LabSettings

CONTROL_VARIABLE = "LAB_CONTROL_DIRECTORY"
MAX_WAITING = 20  # requests; if the lab hangs, they must not fill the disk


class Fault(StrEnum):
    """A fault that a lab can carry out on its own processes."""

    STOP_WORKER = "stop-worker"
    PAUSE_DRAIN = "pause-drain"
    RESUME_DRAIN = "resume-drain"
    DROP_BROKER = "drop-broker"
    FORGET_COUNTER = "forget-counter"


class LabControl:
    """The control directory, for the API and for the lab. The lab creates and clears it with `open`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._state = directory / "state.json"
        self.races = RaceReports(directory.parent)

    @classmethod
    def from_environment(cls) -> "LabControl | None":
        """Return the control of the lab that started this process, or None outside of a lab on loopback."""
        directory = LabSettings().control_directory
        return LabControl(directory) if directory else None

    def request(self, fault: Fault) -> bool:
        """Queue the fault. Return False if so many requests wait that the lab does not seem to run."""
        if len(list(self._directory.glob("*.request"))) >= MAX_WAITING:  # no stat(): the lab may take one meanwhile
            return False
        draft = self._directory / f"{uuid.uuid4().hex}.draft"
        draft.write_text(fault.value)
        draft.rename(draft.with_suffix(".request"))  # the lab sees complete requests only
        return True

    def state(self) -> dict[str, Any]:
        """Return the last state that the lab wrote, or an empty one before the first."""
        try:
            state: dict[str, Any] = json.loads(self._state.read_text())
        except FileNotFoundError:
            return {}
        return state

    def open(self) -> None:
        """Create the directory, or clear what an earlier lab left in it. Called by the lab."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for file in self._directory.iterdir():
            file.unlink()

    def take_requests(self) -> list[Fault]:
        """Remove and return the waiting requests, the oldest first. Called by the lab."""
        taken = []
        for path in sorted(self._directory.glob("*.request"), key=lambda path: path.stat().st_mtime_ns):
            taken.append(Fault(path.read_text()))
            path.unlink()
        return taken

    def write_state(self, state: dict[str, Any]) -> None:
        """Write the state of the lab. Called by the lab."""
        draft = self._state.with_suffix(".draft")
        draft.write_text(json.dumps(state))
        draft.rename(self._state)


def is_loopback(host: str) -> bool:
    """Return whether the host name or address always means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
