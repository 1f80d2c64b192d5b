"""The table of what is our own although a library exists: its files and their lengths."""

import re
from pathlib import Path

import pytest

from tests.support.project import PROJECT

TOLERANCE = 0.2
SECTION = (PROJECT / "docs/development.md").read_text().partition("\n### Kept\n")[2].partition("\n## ")[0]
ROWS = [
    (paths, int(lines.rpartition(" of ")[2].replace(",", "")))
    for _, what, lines, *_ in (row.split("|") for row in SECTION.splitlines() if row.startswith("| "))
    if (paths := re.findall(r"`([\w/.-]+/[\w.-]+)`", what))
]


def length(path: Path) -> int:
    """Return the lines of the file, or of all text files below the directory."""
    files = [path] if path.is_file() else (each for each in path.rglob("*.*") if each.suffix != ".pyc")
    return sum(len(each.read_text().splitlines()) for each in files)


@pytest.mark.parametrize(("paths", "lines"), ROWS, ids=lambda value: value[0] if isinstance(value, list) else "")
def test_the_lengths_of_our_own_code_are_about_right(paths: list[str], lines: int) -> None:
    assert sum(length(PROJECT / path) for path in paths) == pytest.approx(lines, rel=TOLERANCE)


def test_the_table_is_read() -> None:
    assert len(ROWS) > 30
