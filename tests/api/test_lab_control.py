"""The race report in a lab's control directory, which the dashboard polls."""

from pathlib import Path

from app.api.lab_control import RACE_REPORT, LabControl
from app.lab.stack.home import write_private_json


def test_the_report_is_read_again_only_when_it_was_written_again(tmp_path: Path) -> None:
    control, report = LabControl(tmp_path / "control"), tmp_path / RACE_REPORT
    assert control.race_report() is None
    write_private_json(report, {"race": 1})
    first = control.race_report()
    assert first == {"race": 1}
    assert control.race_report() is first
    write_private_json(report, {"race": 2})
    assert control.race_report() == {"race": 2}
    report.unlink()
    assert control.race_report() is None
