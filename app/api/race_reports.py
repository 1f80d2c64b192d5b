"""The reports of the races in a lab's home, which the dashboard compares. The newest twenty are kept."""

import json
from pathlib import Path
from typing import Any

KEPT = 20  # a report of twenty strategies is 100 kB


class RaceReports:
    """The reports in the home of one lab. A report's name is the time at which its race began."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "races"

    def names(self) -> list[str]:
        """Return the names of all reports, the newest first."""
        return sorted((path.stem for path in self.directory.glob("*.json")), reverse=True)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the report of this name, or None if there is none. The name may come from a stranger."""
        if name not in self.names():
            return None
        report: dict[str, Any] = json.loads(self._file(name).read_text())
        return report

    def path(self, started_at: str) -> Path:
        """Return the file for the report of a race that began then (ISO 8601)."""
        return self._file(started_at[:19].replace(":", "-"))

    def remove_oldest(self) -> None:
        """Remove reports beyond KEPT."""
        for name in self.names()[KEPT:]:
            self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.directory / f"{name}.json"
