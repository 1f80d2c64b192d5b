"""The lines of a history. Every error names the number of its line."""

import json
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any, NamedTuple

from app.errors import AtomicTicketsError

TYPES = frozenset({"invoke", "ok", "fail", "info"})
FUNCTIONS = frozenset({"open", "buy", "grow", "release", "crash", "attempt", "ledger-read"})


class InvalidHistory(AtomicTicketsError):
    """The history cannot be judged: it is cut short, or it is not a history."""

    status, slug, title = 422, "invalid-history", "Invalid History"


class Event(NamedTuple):
    """One line.

    `line`: counts from 1.
    `process`: the process that sent the request or got the answer.
    `time`: seconds of one clock.
    """

    line: int
    process: str
    type: str
    function: str
    value: dict[str, Any]
    time: float
    trace_id: str | None


def read_events(lines: Iterable[str | bytes]) -> Iterator[Event]:
    """Yield the events of the lines; skip empty lines. Raise InvalidHistory at the first line that is no event."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield event_of(number, line)


def event_of(number: int, line: str | bytes) -> Event:
    """Return the event in a line. Raise InvalidHistory if it is not an event."""
    try:
        document = json.loads(line)
    except ValueError as error:
        raise InvalidHistory(f"Line {number} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise InvalidHistory(f"Line {number} is not a JSON object.")
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
    """Return a non-empty string of the event's value. Raise InvalidHistory if the field is not one."""
    found = event.value.get(name)
    if not isinstance(found, str) or not found:
        raise InvalidHistory(f"Line {event.line}: value.{name} must be a string that is not empty.")
    return found


def count_of(event: Event, name: str, default: int | None = None) -> int:
    """Return a whole number of the event's value, or the default. Raise InvalidHistory if the field is not one."""
    found = event.value.get(name, default)
    if not isinstance(found, int) or isinstance(found, bool):
        raise InvalidHistory(f"Line {event.line}: value.{name} must be a whole number.")
    return found
