"""Rules of prose that a machine can check, over everything that is read."""

import re
from pathlib import Path

import pytest

from tests.support.project import PROJECT

PROSE = ("app", "operator", "worker", "docs", "charts", "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
SUFFIXES = {".py", ".lua", ".md", ".js", ".ts", ".yaml", ".tpl", ".txt"}
AVOIDED = re.compile(r"(?<![\w-])(whoever|anew|for ever|in earnest|he|his|him)(?![\w-])", re.IGNORECASE)
MAX_COLUMNS = 120

FILES = sorted(
    path
    for name in PROSE
    for path in ([PROJECT / name] if (PROJECT / name).is_file() else (PROJECT / name).rglob("*"))
    if path.suffix in SUFFIXES and "vendor" not in path.parts
)


def test_no_file_uses_an_avoided_word() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if AVOIDED.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".md"], ids=lambda path: path.name)
def test_no_line_of_markdown_is_too_long(path: Path) -> None:
    """Only rows of tables and lines of JSON may be longer, because they cannot be wrapped."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > MAX_COLUMNS and not line.startswith(("|", "{"))] == []
