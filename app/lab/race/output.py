"""The report of `atomictickets race`: the plain race and the scenarios, as text, as JSON and as a history."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.lab.race.history import History
from app.lab.race.plain_race import Race
from app.lab.race.scenario_text import PlayedScenario, scenario_lines
from app.lab.race.table import text_of
from app.lab.race.workload import Workload
from app.lab.stack.machine import describe
from app.lab.text_table import indented


@dataclass
class RaceReport:
    """Everything that one run of the command measured.

    `race`: the plain race, or None if only scenarios were chosen
    `interrupted`: whether Ctrl-C or a failure ended it, so that it has only the runs that had ended until then
    `load_average`: of the minute before, which shows how busy other programs kept the machine
    `started_at`: ISO 8601, in UTC
    """

    workload: Workload
    repeat: int
    api_processes: int
    race: Race | None = None
    played: list[PlayedScenario] = field(default_factory=list)
    load_average: float = field(default_factory=lambda: os.getloadavg()[0])
    interrupted: bool = False
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def is_empty(self) -> bool:
        """Return whether no run has ended."""
        has_raced = self.race is not None and self.race.has_ended_runs
        return not has_raced and not any(scenario.has_result for scenario in self.played)

    @property
    def holds(self) -> bool:
        """Return whether the race kept every promise and no scenario failed to be played."""
        return (self.race is None or self.race.holds) and not any(scenario.failures for scenario in self.played)

    def text(self, width: int = 80) -> str:
        """Return the report as text. Its tables and explanations have at most `width` columns."""
        parts = []
        if self.race and self.race.has_ended_runs:
            crowd = "\n".join(indented(self.workload.text(), width))
            parts.append(f"{crowd}\n\n{text_of(self.race.entries, width)}")
        parts += ["\n".join(scenario_lines(scenario, width)) for scenario in self.played if scenario.has_result]
        return "\n\n".join(parts)

    def as_json(self) -> dict[str, Any]:
        entries = [] if self.race is None else self.race.entries
        return {
            "started_at": self.started_at,
            "interrupted": self.interrupted,
            "load_average_before": round(self.load_average, 1),
            "workload": self.workload.as_json() | {"repeat": self.repeat, "api_processes": self.api_processes},
            "race": [entry.as_json() for entry in entries if entry.has_result],
            "scenarios": {
                scenario.name: {
                    "scenes": [scene.as_json() for scene in scenario.scenes],
                    "failures": scenario.failures,
                }
                for scenario in self.played
            },
            **describe(),
        }

    def write_history(self, path: Path) -> None:
        """Write the history of the race and of all scenes to one file."""
        merged = History()
        histories = [] if self.race is None else [self.race.history]
        for history in histories + [scene.history for scenario in self.played for scene in scenario.scenes]:
            merged.merge(history)
        with path.open("w") as file:
            file.writelines(f"{line}\n" for line in merged.lines())
