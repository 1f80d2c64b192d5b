"""The exit code, the text and the JSON of `atomictickets check`."""

import json
from pathlib import Path

import pytest

from app.lab.cli.main import main
from tests.support.history import History


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def test_a_clean_history_ends_with_0(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.write_text("\n".join(History().won("ada", "r1").lines))
    assert main(["check", str(history)]) == 0
    assert capsys.readouterr().out == "Events: 4, purchases: 1, bookings: 1. Nothing found.\n"


def test_an_anomaly_ends_with_1_and_is_shown_with_its_witness(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history.write_text("\n".join(History().buy("ada", "r1").lines))
    assert main(["check", str(history)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Events: 4, purchases: 1, bookings: 0. Kinds of anomaly found: 1.",
        "",
        "lost-order (1)",
        "  The purchase was accepted, but the ledger has no such booking.",
        "    line 2: ada's purchase was accepted as r1 at 1.000000",
    ]


def test_the_verdict_as_json(history: Path, tmp_path: Path) -> None:
    history.write_text("\n".join(History(stock=1).won("ada", "r1").won("bob", "r2").lines))
    file = tmp_path / "verdict.json"
    assert main(["check", str(history), "--json", str(file)]) == 1
    verdict = json.loads(file.read_text())
    assert (verdict["clean"], [found["anomaly"] for found in verdict["findings"]]) == (False, ["oversold"])


@pytest.mark.parametrize("content", [None, "no history", ""])
def test_what_cannot_be_judged_ends_with_2(
    content: str | None, history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        history.write_text(content)
    assert main(["check", str(history)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_history_that_cannot_be_read_ends_with_2(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.symlink_to("/proc/self/mem")  # it can be opened, and its first page can't be read
    assert main(["check", str(history)]) == 2
    assert capsys.readouterr().err == "error: [Errno 5] Input/output error\n"
