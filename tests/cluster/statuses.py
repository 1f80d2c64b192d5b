"""The status of a FlashSale, and functions that read it or wait for it."""

import json
from collections.abc import Callable
from typing import Any

from app.lab.stack.process import ProcessFailed

Status = dict[str, Any]


def condition(status: Status, type_: str) -> tuple[str, str]:
    """Return a condition's status and reason, which are empty if the operator has not written it yet."""
    found = [one for one in status.get("conditions", ()) if one["type"] == type_]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def until_status(
    wait: Callable[[Callable[[], bool]], None], read: Callable[[], dict[str, Any]], holds: Callable[[Status], bool]
) -> Status:
    """Wait until the status meets the condition, and return the status. `read` returns the resource.

    Raise AssertionError, with the last status seen, if `wait` raises TimeoutError or ProcessFailed.
    """
    seen: Status = {}

    def met() -> bool:
        seen.clear()
        seen.update(read().get("status", {}))
        return bool(seen) and holds(seen)

    try:
        wait(met)
    except (TimeoutError, ProcessFailed) as failed:
        raise AssertionError(f"{failed}\n{json.dumps(seen)}") from failed
    return seen
