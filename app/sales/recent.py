"""Bounded memory for sales: a process keeps only the newest, since sale names are created without end."""

from collections import OrderedDict
from typing import TypeVar

KNOWN_SALES = 10_000  # 10 MB if each has a queue; a process that drops a sale learns of it again

Value = TypeVar("Value")


def remember(names: OrderedDict[str, Value], name: str, value: Value, most: int) -> None:
    """Add the name as the newest, and drop the oldest if there are more than `most`."""
    names[name] = value
    names.move_to_end(name)
    if len(names) > most:
        names.popitem(last=False)
