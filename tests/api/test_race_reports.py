"""The reports of races in a lab's home: earlier ones are kept, and nothing else can be read by their names."""

from pathlib import Path

from app.api.race_reports import KEPT, RaceReports


def test_earlier_reports_are_kept_and_the_newest_comes_first(tmp_path: Path) -> None:
    reports = RaceReports(tmp_path)
    assert reports.names() == []
    reports.directory.mkdir()
    for second in range(KEPT + 2):
        reports.path(f"2026-01-01T00:00:{second:02}+00:00").write_text(f'{{"race": {second}}}')
    reports.remove_oldest()
    names = reports.names()
    assert (len(names), names[0], names[-1]) == (KEPT, "2026-01-01T00-00-21", "2026-01-01T00-00-02")
    assert reports.read(names[1]) == {"race": KEPT}


def test_a_name_that_is_no_report_reads_nothing(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text("{}")
    reports = RaceReports(tmp_path)
    reports.directory.mkdir()
    reports.path("2026-01-01T00:00:00+00:00").write_text("{}")
    assert reports.read("../lab") is None
    assert reports.read("2026-01-01T00-00-00") == {}  # the control
