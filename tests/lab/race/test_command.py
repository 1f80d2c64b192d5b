"""`atomictickets race` as a user runs it, with small numbers, and with a strategy that only the test adds."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.api.race_reports import RaceReports
from app.lab.cli.main import main
from app.lab.cli.race import chosen_scenarios
from app.lab.race.workload import UnknownChoice, chosen_strategies
from app.lab.stack.servers.ports import free_port
from app.strategies.registry import STRATEGIES
from tests.support.project import PROJECT
from tests.support.toy_strategy import ToyStrategy

SMALL = ["--requests", "60", "--concurrency", "40", "--stock", "10"]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> type[ToyStrategy]:
    """Register a strategy and return it. A contributor would add one file, and one line to the registry.

    Here the line is added at run time, in this process and in those of the installation.
    """
    monkeypatch.setitem(STRATEGIES, ToyStrategy.name, ToyStrategy)
    path = [str(PROJECT / "tests/lab/race/toy"), str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    return ToyStrategy


# This takes 11 s: an installation is started, and nine crowds come, each from a process of its own.
@pytest.mark.usefixtures("toy")
def test_a_race_finds_which_strategies_are_exact_and_accepts_one_that_a_test_adds(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, history = tmp_path / "race.json", tmp_path / "race.jsonl"
    lab = tmp_path / "lab"
    lab.mkdir()
    more = ["--home", str(home), "--lab", str(lab), "--json", str(report), "--history", str(history), "--repeat", "2"]
    assert main(["race", "--strategies", "naive,toy,atomic", *SMALL, *more]) == 0
    printed = capsys.readouterr().out
    (kept,) = RaceReports(lab).names()
    assert RaceReports(lab).read(kept) == json.loads(report.read_text())
    entries = {entry["strategy"]: entry for entry in json.loads(report.read_text())["race"]}
    assert [(name, entries[name]["exact"]) for name in sorted(entries)] == [
        ("atomic", True),
        ("naive", False),
        ("toy", True),
    ]
    for name in ("toy", "atomic"):
        assert [run["sold"] for run in entries[name]["runs"]] == [10, 10]
        assert [run["errors"] for run in entries[name]["runs"]] == [0, 0]
    assert all(run["oversold"] > 0 for run in entries["naive"]["runs"])
    assert_costs_are_known(entries)
    table = [line.split()[0] for line in printed.splitlines() if line.startswith(("naive ", "toy ", "atomic "))]
    assert table.index("naive") == 2, "exact ones come first"
    assert "Two buyers hold the same ticket" in printed

    assert main(["check", str(history)]) == 1
    assert "oversold" in capsys.readouterr().out


def assert_costs_are_known(entries: dict[str, Any]) -> None:
    """Assert that the costs in the ledger and in Redis were measured, without checking values that vary by machine."""
    for entry in entries.values():
        for run in entry["runs"]:
            assert run["connections"] is not None
            assert run["redis_reads"] > 0
            assert run["seconds_to_consistent"] is not None
            assert run["p50_ms"] <= run["p95_ms"] <= run["p99_ms"] <= run["p999_ms"]


def test_a_service_that_is_away_is_one_error_and_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert main(["race", "--strategies", "naive,atomic", "--url", url]) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: POST {url}/sales: ")
    assert "atomic" not in captured.out


@pytest.mark.parametrize(
    "mistake",
    [
        "--stock 0", "--requests 0", "--concurrency 0", "--think-ms -1", "--repeat 0", "--strategies ,",
        "--json nowhere/race.json", "--history nowhere/race.jsonl", "--write .",
    ],
)  # fmt: skip
def test_a_usage_error_is_reported_before_anything_starts(
    mistake: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option, value = mistake.split()
    assert main(["race", "--home", str(home), option, value]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: Invalid value for '{option}': ")
    assert not home.exists()


def test_a_page_without_marks_is_refused_before_anything_starts(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n")
    assert main(["race", "--home", str(home), "--write", str(page)]) == 2
    assert "no place for crowd, think 50 ms" in capsys.readouterr().err
    assert not home.exists()


def test_unknown_names_are_refused_before_anything_starts() -> None:
    with pytest.raises(UnknownChoice, match="no strategy 'magic'"):
        chosen_strategies(["naive", "magic"])
    with pytest.raises(UnknownChoice, match="no scenario 'flood'"):
        chosen_scenarios(["flood"], remote=False)
    with pytest.raises(UnknownChoice, match="--url"):
        chosen_scenarios(["crash"], remote=True)
    assert chosen_scenarios(["all"], remote=False)[:2] == ["crowd", "limit"]
