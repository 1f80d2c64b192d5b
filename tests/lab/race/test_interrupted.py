"""Ctrl-C in a race: what has ended is reported and written, and it is said that the rest is missing."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.api.race_reports import RaceReports
from app.lab.cli import race as race_command
from app.lab.cli.main import INTERRUPTED, main
from app.lab.race.plain_race import Race, entry_of
from app.lab.race.progress import Progress
from app.strategies.registry import STRATEGIES
from tests.lab.race.test_figures import run

Measure = Callable[..., None]


def interrupted_after(runs: int) -> Measure:
    """Return a stand-in for the measurement, which is interrupted after one run each of so many strategies."""

    def measure(_options: Any, _scenarios: Any, _strategies: Any, report: Any) -> None:
        report.race = Race([entry_of(STRATEGIES[name]) for name in ("atomic", "row-lock")])
        for entry in report.race.entries[:runs]:
            entry.add(run(), [])
        raise KeyboardInterrupt

    return measure


def test_what_has_ended_is_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(race_command, "measure", interrupted_after(1))
    file, page, lab = tmp_path / "race.json", tmp_path / "page.md", tmp_path / "lab"
    lab.mkdir()
    marks = "<!-- {}crowd, think 50 ms{} -->"
    text = marks.format("", ": written by `atomictickets race --write`") + marks.format("end of ", "")
    page.write_text(text)
    assert main(["race", "--json", str(file), "--lab", str(lab), "--write", str(page)]) == INTERRUPTED
    printed, written = capsys.readouterr().out, json.loads(file.read_text())
    assert "Interrupted. The report has the runs that had ended until then." in printed
    assert f"Written: {file}, " in printed
    assert (written["interrupted"], [entry["strategy"] for entry in written["race"]]) == (True, ["atomic"])
    assert len(RaceReports(lab).names()) == 1
    assert page.read_text() == text, "a page has complete tables"


def test_nothing_is_written_if_nothing_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(race_command, "measure", interrupted_after(0))
    assert main(["race", "--json", str(tmp_path / "race.json")]) == INTERRUPTED
    assert capsys.readouterr().out == "Interrupted before the first run had ended: there is nothing to report.\n"
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_the_runs_and_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now, said = [100.0], list[str]()
    monkeypatch.setattr("app.lab.race.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    progress = Progress(4, said.append)
    now[0] += 10
    progress.ended("naive")
    progress.skip(1)
    now[0] += 10
    progress.ended("atomic")
    progress.ended("row-lock")
    assert said == [
        "  1 of 4 in 10 s, about 30 s left: naive",
        "  2 of 3 in 20 s, about 10 s left: atomic",
        "  3 of 3 in 20 s: row-lock",
    ]
