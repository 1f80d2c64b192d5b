"""The invalid fields of a request, as the `errors` of its problem document."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

MAX_ERRORS = 20  # a body of 16 KB can hold 3,000 unknown fields; the response must not be ten times as long
LOCATIONS = frozenset({"body", "query", "path", "header", "cookie"})


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the first MAX_ERRORS of Pydantic's errors as [{"field", "message"}]. A nested field is `outer.inner`."""
    return [{"field": _field(error), "message": _message(error)} for error in islice(errors, MAX_ERRORS)]


def _field(error: Mapping[str, Any]) -> str:
    location = [str(part) for part in error["loc"]]
    if error["type"] == "json_invalid" or not location or location == ["body"]:
        return "body"
    if location[0] in LOCATIONS and len(location) > 1:
        del location[0]
    return ".".join(location)[:200]  # the client may send an unknown field with a name of any length


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "There is no such field"
    if error["type"] == "json_invalid":
        return "The body is not valid JSON"
    return str(error["msg"])
