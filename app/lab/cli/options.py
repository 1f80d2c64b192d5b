"""What the commands of `atomictickets` share: how an argument is read, and how a line is said."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Number = TypeVar("Number", int, float)


def between(low: Number, high: Number) -> Callable[[str], Number]:
    """An argument of the kind of its bounds; argparse names it when it is something else, or beyond them."""
    kind = type(low)

    def number(text: str) -> Number:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value:g} is not between {low:g} and {high:g}")
        return value

    return number


processes = between(1, 64)


def names(text: str) -> list[str]:
    """Of `a, b`: each once, without the empty ones."""
    found = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not found:
        raise argparse.ArgumentTypeError("it names nothing")
    return found


def file_to_write(text: str) -> Path:
    """A file that can be written later: what takes an hour to measure must not be lost to a mistyped name."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a directory, or in none that exists")
    return path


def say(line: str) -> None:
    print(line, flush=True)
