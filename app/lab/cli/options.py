"""Types of options that the commands of `atomictickets` share, and printing."""

from pathlib import Path
from typing import Any

import click

HOME = click.Path(file_okay=False, path_type=Path)
PROCESSES = click.IntRange(1, 64)


class Names(click.ParamType):
    """A list such as `a, b`: each name once, without empty ones."""

    name = "A,B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        if isinstance(value, list):  # a default
            return value
        found = list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        if not found:
            self.fail("the list is empty", param, ctx)
        return found


class FileToWrite(click.ParamType):
    """A file to be written later.

    The directory is checked now, so that a mistyped name does not lose a measurement that takes an hour.
    """

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.is_dir() or not path.parent.is_dir():
            self.fail(f"{path} is a directory, or its directory does not exist", param, ctx)
        return path


def say(line: str) -> None:
    """Print the line at once, also to a pipe."""
    print(line, flush=True)
