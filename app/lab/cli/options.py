"""Helpers that the commands of `atomictickets` share: types for argparse, and printing."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse gives it no public name

Number = TypeVar("Number", int, float)


def between(low: Number, high: Number) -> Callable[[str], Number]:
    """Return a type for argparse: a number from `low` to `high`, an int or a float as these are."""
    kind = type(low)

    def number(text: str) -> Number:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value:g} is not between {low:g} and {high:g}")
        return value

    return number


processes = between(1, 64)


def names(text: str) -> list[str]:
    """Return the names of a list such as `a, b`, each once, without empty ones. A type for argparse."""
    found = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not found:
        raise argparse.ArgumentTypeError("the list is empty")
    return found


def file_to_write(text: str) -> Path:
    """Return the path of a file to be written later. A type for argparse.

    The directory is checked now, so that a mistyped name does not lose a measurement that takes an hour.
    """
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a directory, or its directory does not exist")
    return path


def say(line: str) -> None:
    """Print the line at once, also to a pipe."""
    print(line, flush=True)
