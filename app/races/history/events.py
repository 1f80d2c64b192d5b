"""The lines of a history. Whatever is wrong with a line is said with its number."""

import json
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any, NamedTuple

from app.errors import AtomicTicketsError

TYPES = frozenset({"invoke", "ok", "fail", "info"})
FUNCTIONS = frozenset({"open", "buy", "grow", "release", "crash", "attempt", "ledger-read"})


class InvalidHistory(AtomicTicketsError):
    """Nothing can be decided from this history: it is cut short, or it is none."""

    status, slug, title = 422, "invalid-history", "Invalid History"


class Event(NamedTuple):
    """One line. `time` in seconds of one clock; `line` counts from 1."""

    line: int
    process: str
    type: str
    function: str
    value: dict[str, Any]
    time: float
    trace_id: str | None


def read_events(lines: Iterable[str | bytes]) -> Iterator[Event]:
    """Raises InvalidHistory at the first line that is no event. Empty lines are passed over."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield event_of(number, line)


def event_of(number: int, line: str | bytes) -> Event:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise InvalidHistory(f"Line {number} is no JSON: {error}.") from error
    if not isinstance(document, dict):
        raise InvalidHistory(f"Line {number} is no JSON object.")
    get = document.get
    fields: list[Any] = [get(name) for name in ("process", "type", "function", "value", "time", "trace_id")]
    event = Event(number, *fields)
    if not isinstance(event.type, str) or event.type not in TYPES:
        raise InvalidHistory(f"Line {number}: type must be one of {', '.join(sorted(TYPES))}.")
    if not isinstance(event.function, str) or event.function not in FUNCTIONS:
        raise InvalidHistory(f"Line {number}: function must be one of {', '.join(sorted(FUNCTIONS))}.")
    if not isinstance(event.process, str) or not event.process:
        raise InvalidHistory(f"Line {number}: process must be a name.")
    if not isinstance(event.time, int | float) or isinstance(event.time, bool) or not isfinite(event.time):
        raise InvalidHistory(f"Line {number}: time must be a number of seconds.")
    if not isinstance(event.value, dict):
        raise InvalidHistory(f"Line {number}: value must be an object.")
    return event


def text_of(event: Event, name: str) -> str:
    """A field of the value. Raises InvalidHistory, as `count_of`."""
    found = event.value.get(name)
    if not isinstance(found, str) or not found:
        raise InvalidHistory(f"Line {event.line}: value.{name} must be a text.")
    return found


def count_of(event: Event, name: str, default: int | None = None) -> int:
    found = event.value.get(name, default)
    if not isinstance(found, int) or isinstance(found, bool):
        raise InvalidHistory(f"Line {event.line}: value.{name} must be a whole number.")
    return found
