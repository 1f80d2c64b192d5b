"""Options that the commands of `atomictickets` share, what they refuse, and how they print and write."""

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from app.errors import AtomicTicketsError

Command = TypeVar("Command", bound=Callable[..., Any])

HOME = click.Path(file_okay=False, path_type=Path)


class WholeNumber(click.IntRange):
    """A whole number within bounds, and an error that says so in plain words."""

    name = "whole number"


def number(
    name: str, low: int, high: int | None = None, *, metavar: str = "N", **options: Any
) -> Callable[[Command], Command]:
    """Return an option for a whole number from `low` to `high`. `options` are those of click."""
    return click.option(name, type=WholeNumber(low, high), metavar=metavar, **options)


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

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class FileToWrite(click.Path[Path]):
    """A file to be written later.

    It is tried now, so that a mistyped name or a read-only disk does not lose a measurement that takes an hour.
    """

    def __init__(self) -> None:
        super().__init__(dir_okay=False, readable=False, writable=True, path_type=Path)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = super().convert(value, param, ctx)
        if not os.fspath(value):  # as a path, it would be the working directory
            self.fail("The name is empty.", param, ctx)
        try:
            path.stat()
        except FileNotFoundError:
            if not path.parent.is_dir():
                self.fail(f"Directory '{path.parent}' does not exist.", param, ctx)
            refuse_unwritable(path.parent)
        except OSError as error:
            self.fail(f"'{path}': {error.strerror}.", param, ctx)
        return path


class ServiceUrl(click.ParamType[str]):
    """The address of a service: `http://HOST[:PORT]`, with or without a slash at its end."""

    name = "URL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            target = urlsplit(value)
            complete = target.scheme == "http" and target.hostname and target.port != 0 and target.username is None
        except ValueError:
            complete = False
        if not complete or target.path not in ("", "/") or "?" in value or "#" in value:
            self.fail(f"{value!r} is not of the form http://HOST[:PORT].", param, ctx)
        return value.rstrip("/")


class Unwritable(AtomicTicketsError):
    """A file could not be written after the work, although it could be before: the disk has become full."""

    status, slug, title = 507, "unwritable", "Unwritable"


FILE_TO_WRITE = FileToWrite()
NAMES = Names()
URL = ServiceUrl()
JSON_FILE = click.option(
    "--json",
    "json_file",
    type=FILE_TO_WRITE,
    help="also write the report to this file, as JSON; a file that exists is replaced",
)


def refuse_unwritable(directory: Path) -> None:
    """Create the directory if it is missing, and raise UsageError if no file can be created in it."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise click.UsageError(f"No file can be written to '{directory}': {error.strerror}.") from error


def refuse_without_effect(why: str, *parameters: str) -> None:
    """Raise UsageError if the user gave one of these options of the running command, which would have no effect."""
    context, given = click.get_current_context(), click.ParameterSource.COMMANDLINE
    for parameter in context.command.params:
        if parameter.name in parameters and context.get_parameter_source(parameter.name) is given:
            raise click.UsageError(f"{parameter.opts[0]} has no effect {why}.")


def write_json(path: Path, document: Any) -> None:
    """Write the document to a file that was given with --json. Raise Unwritable."""
    with writing(path):
        path.write_text(json.dumps(document, indent=2) + "\n")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise Unwritable if the block cannot write the file."""
    try:
        yield
    except OSError as error:
        raise Unwritable(f"'{path}' cannot be written: {error.strerror}.") from error


def say(line: str) -> None:
    """Print the line at once, also to a pipe."""
    print(line, flush=True)
