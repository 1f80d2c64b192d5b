"""Options and their types that the commands of `atomictickets` share, and printing."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

HOME = click.Path(file_okay=False, path_type=Path)


def number(
    name: str, low: int, high: int | None = None, *, metavar: str = "N", **options: Any
) -> Callable[[Command], Command]:
    """Return an option for a whole number from `low` to `high`. `options` are those of click."""
    return click.option(name, type=click.IntRange(low, high), metavar=metavar, **options)


API_PROCESSES = number("--api-processes", 1, 64, default=2, help="number of API processes")
WORKERS = number("--workers", 1, 64, default=1, help="number of workers")


class Names(click.ParamType[list[str]]):
    """A list such as `a, b`: each name once, without empty ones."""

    name = "A,B"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        found = list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        if not found:
            self.fail("The list is empty.", param, ctx)
        return found


class FiniteRange(click.FloatRange):
    """A range of numbers without nan, which click lets pass, as it is neither below nor above any other."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class FileToWrite(click.Path[Path]):
    """A file to be written later.

    The directory is checked now, so that a mistyped name does not lose a measurement that takes an hour.
    """

    def __init__(self) -> None:
        super().__init__(dir_okay=False, readable=False, writable=True, path_type=Path)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = super().convert(value, param, ctx)
        if path.is_dir():  # an empty name, which is the working directory
            self.fail("The name is empty.", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"Directory '{path.parent}' does not exist.", param, ctx)
        return path


FILE_TO_WRITE = FileToWrite()
NAMES = Names()


def say(line: str) -> None:
    """Print the line at once, also to a pipe."""
    print(line, flush=True)
