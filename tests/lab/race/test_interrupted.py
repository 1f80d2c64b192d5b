"""Ctrl-C in a race: what has ended is reported and written, and it is said that the rest is missing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from app.api.race_reports import RaceReports
from app.client import ApiUnreachable
from app.lab.cli import race as race_command
from app.lab.cli.main import INTERRUPTED, main
from app.lab.race import plain_race
from app.lab.race.plain_race import Race, entry_of, race_all
from app.lab.race.progress import Progress
from app.lab.race.run import Run
from app.lab.race.target import Target
from app.lab.race.workload import Workload
from app.lab.stack.process import ProcessFailed
from app.strategies.registry import STRATEGIES
from tests.lab.race.test_figures import run
from tests.support.processes import alive
from tests.support.project import PROJECT
from tests.support.until import block_until

Measure = Callable[..., None]

# A job in the background of a script inherits an ignored SIGINT, and so would the race if the tests are such a job.
LISTENING = """
import signal, sys
from app.lab.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


def interrupted_after(runs: int, by: BaseException | None = None) -> Measure:
    """Return a stand-in for the measurement, which is interrupted after one run each of so many strategies.

    `by`: the error that ends it; None for Ctrl-C
    """

    def measure(_options: Any, _scenarios: Any, _strategies: Any, report: Any) -> None:
        report.race = Race([entry_of(STRATEGIES[name]) for name in ("atomic", "row-lock")])
        for entry in report.race.entries[:runs]:
            entry.add(run(), [])
        raise by or KeyboardInterrupt

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
    assert f"{page} is unchanged" in printed
    assert "Not reached: row-lock." in printed
    assert (written["interrupted"], [entry["strategy"] for entry in written["race"]]) == (True, ["atomic"])
    assert len(RaceReports(lab).names()) == 1
    assert page.read_text() == text, "a page has complete tables"


# This takes 8 s, because a race starts its own servers.
def test_ctrl_c_ends_a_real_race_and_its_processes_and_keeps_the_runs_that_have_ended(tmp_path: Path) -> None:
    file, printed = tmp_path / "race.json", tmp_path / "printed"
    typed = f"race --repeat 500 --strategies naive --stock 5 --requests 20 --json {file} --home {tmp_path / 'home'}"
    with printed.open("w") as output:
        race = subprocess.Popen(
            (sys.executable, "-c", LISTENING, *typed.split()),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        block_until(lambda: "  2 of 500 " in printed.read_text() or race.poll() is not None, seconds=60)
        assert race.poll() is None, printed.read_text()
        children = psutil.Process(race.pid).children(recursive=True)
        os.killpg(race.pid, signal.SIGINT)  # as a terminal does
        assert race.wait(60) == INTERRUPTED, printed.read_text()
    finally:
        if race.poll() is None:
            os.killpg(race.pid, signal.SIGTERM)  # after which it ends its own processes too
            race.wait(60)
    assert len(children) > 5
    assert not any(alive(child.pid) for child in children)
    written = json.loads(file.read_text())
    assert written["interrupted"]
    assert len(written["race"][0]["runs"]) >= 2
    assert "Traceback" not in printed.read_text()


async def test_a_cancellation_is_one_though_the_clean_up_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is away or hangs refuses to end the sale, and this error would take the place of Ctrl-C."""
    began = asyncio.Event()

    async def race(*_: Any) -> Run:
        try:
            began.set()
            await asyncio.sleep(60)
        finally:
            raise ApiUnreachable("away")

    async def warm_up(*_: Any) -> None: ...

    monkeypatch.setattr(plain_race, "race", race)
    monkeypatch.setattr(plain_race, "warm_up", warm_up)
    outcome = Race()
    racing = asyncio.create_task(
        race_all(
            Target("http://127.0.0.1:1"),
            [STRATEGIES["naive"]],
            Workload(),
            repeat=2,
            say=lambda _: None,
            outcome=outcome,
        )
    )
    await began.wait()
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    assert not outcome.has_ended_runs


async def test_a_strategy_that_fails_is_not_counted_as_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without a cancellation, the error is that of the strategy."""

    async def warm_up(*_: Any) -> None:
        raise ApiUnreachable("away")

    monkeypatch.setattr(plain_race, "warm_up", warm_up)
    said = list[str]()
    strategies = [STRATEGIES["naive"]]
    target = Target("http://127.0.0.1:1")
    outcome = await race_all(target, strategies, Workload(), repeat=3, say=said.append)
    assert (outcome.entries[0].failure, outcome.has_ended_runs) == ("API Unreachable: away", True)
    assert said == ["  1 of 1 in 0 s: naive: API Unreachable: away"]


def test_a_file_that_cannot_be_written_does_not_lose_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(race_command, "measure", interrupted_after(1))
    monkeypatch.chdir(tmp_path)
    assert main(["race", "--json", "/dev/full", "--history", "race.jsonl"]) == 1
    printed = capsys.readouterr()
    assert printed.err == "error: '/dev/full' cannot be written: No space left on device.\n"
    assert "Written: race.jsonl" in printed.out


def test_servers_that_fail_for_good_do_not_lose_the_runs_that_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(race_command, "measure", interrupted_after(1, ProcessFailed("api-1 died too often.")))
    assert main(["race", "--json", str(tmp_path / "race.json")]) == 1
    assert capsys.readouterr().err == "error: api-1 died too often.\n"
    assert json.loads((tmp_path / "race.json").read_text())["interrupted"]


def test_a_failure_is_told_though_its_report_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(race_command, "measure", interrupted_after(1, ProcessFailed("api-1 died too often.")))
    assert main(["race", "--json", "/dev/full"]) == 1
    printed = capsys.readouterr()
    assert printed.err == "error: api-1 died too often.\n"
    assert "'/dev/full' cannot be written" in printed.out


def test_a_lab_that_nobody_named_and_cannot_be_written_keeps_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(race_command, "measure", interrupted_after(1))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".lab").mkdir()
    (tmp_path / ".lab" / "races").touch()
    assert main(["race"]) == INTERRUPTED
    assert "The lab does not keep the report." in capsys.readouterr().out


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
