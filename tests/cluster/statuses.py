"""The status of a FlashSale, and the wait for what it is to say."""

import json
from collections.abc import Callable
from typing import Any

from app.lab.stack.process import ProcessFailed

Status = dict[str, Any]


def condition(status: Status, type_: str) -> tuple[str, str]:
    """Status and reason; empty if the operator has not written it yet."""
    found = [one for one in status.get("conditions", ()) if one["type"] == type_]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def until_status(
    wait: Callable[[Callable[[], bool]], None], read: Callable[[], dict[str, Any]], holds: Callable[[Status], bool]
) -> Status:
    """Return the status once it is so. `read` returns the resource.

    Raises AssertionError, which tells the last status seen, when `wait` raises TimeoutError or ProcessFailed.
    """
    seen: Status = {}

    def so() -> bool:
        seen.clear()
        seen.update(read().get("status", {}))
        return bool(seen) and holds(seen)

    try:
        wait(so)
    except (TimeoutError, ProcessFailed) as failed:
        raise AssertionError(f"{failed}\n{json.dumps(seen)}") from failed
    return seen
