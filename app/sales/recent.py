"""Bounded memory for sales: a process keeps only the newest, since sale names are created without end."""

from collections import OrderedDict
from typing import TypeVar

KNOWN_SALES = 10_000  # 10 MB if each has a queue; a process that drops a sale learns of it again

Value = TypeVar("Value")


def remember(entries: OrderedDict[str, Value], key: str, value: Value, max_entries: int) -> None:
    """Set the entry and mark it as the newest. Drop the oldest one if there are more than `max_entries`."""
    entries[key] = value
    entries.move_to_end(key)
    if len(entries) > max_entries:
        entries.popitem(last=False)
