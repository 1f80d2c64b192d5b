"""What the commands of `atomictickets` share: how an argument is read, and how a line is said."""

import argparse
from collections.abc import Callable
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
    """Of `a, b`, without the empty ones."""
    return [name.strip() for name in text.split(",") if name.strip()]


def say(line: str) -> None:
    print(line, flush=True)
