"""The fenced blocks of the pages, with the marks that HTML comments directly above a block give it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from tests.support.project import PROJECT

FENCE = re.compile(r"( *)```([\w-]*)")
MARK = re.compile(r" *<!-- (.+) -->")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page. `line`: that of its opening fence. `marks`: what the comments above it say, by name."""

    page: Path
    line: int
    language: str
    text: str
    marks: Mapping[str, str]

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Return whether the block has commands that a test can run."""
        return self.language == "sh" and "not run" not in self.marks


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in their order."""
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    marks: dict[str, str] = {}
    for number, line in lines:
        if mark := MARK.fullmatch(line):
            name, _, value = mark[1].partition(": ")
            marks[name] = value
            continue
        if fence := FENCE.fullmatch(line):
            inside = takewhile(lambda each: each[1].strip() != "```", lines)
            text = "".join(f"{content.removeprefix(fence[1])}\n" for _, content in inside)
            yield Block(page, number, fence[2], text, marks)
        marks = {}


def outside_blocks(page: Path) -> str:
    """Return the page without its fenced blocks."""
    return re.sub(r"^ *```[\w-]*\n.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
