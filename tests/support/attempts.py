"""Factories of attempts for tests."""

import secrets
from typing import Any

from app.sales.attempt import Attempt, Hazard, RecordedAttempt

ATTEMPT: dict[str, Any] = {
    "sale": "drop",
    "round": 1,
    "strategy": "naive",
    "hazard": Hazard.LOST_UPDATE,
    "quantity": 1,
    "version_read": "741",
    "value_read": 10,
    "read_at": 1_700_000_000.25,
    "version_written": "742",
    "value_written": 9,
    "wrote_at": 1_700_000_000.3125,
}


def an_attempt(**other: Any) -> Attempt:
    """Return a committed attempt that read version 741, with `other` in place of these defaults."""
    return Attempt(**{**ATTEMPT, "nonce": secrets.token_hex(8), **other})


def recorded(**other: Any) -> RecordedAttempt:
    """Return the same attempt as recorded by api-1, without a trace."""
    made = {"nonce": secrets.token_hex(8), "id": secrets.token_hex(8), "pod": "api-1", "process": "17"}
    return RecordedAttempt(**{**ATTEMPT, **made, **other})
