"""What a process remembers of sales it has to do with: of the latest so many, for names are made without end."""

from collections import OrderedDict
from typing import TypeVar

KNOWN_SALES = 10_000  # 10 MB where each has a queue; a process that forgets one learns of it anew

Value = TypeVar("Value")


def remember(names: OrderedDict[str, Value], name: str, value: Value, most: int) -> None:
    """Adds the name as the newest, and drops the oldest beyond `most`."""
    names[name] = value
    names.move_to_end(name)
    if len(names) > most:
        names.popitem(last=False)
