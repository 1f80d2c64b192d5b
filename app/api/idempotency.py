"""The idempotency key of a request: `X-Idempotency-Key` or `Idempotency-Key`, as it stands or as a quoted string."""

import re

from app.api.errors import InvalidIdempotencyKey, MissingIdempotencyKey
from app.sales.model import IDEMPOTENCY_KEY

NAMES = frozenset({b"x-idempotency-key", b"idempotency-key"})

_is_key = re.compile(IDEMPOTENCY_KEY).fullmatch
_is_quoted = re.compile(rb'"(?:[^"\\]|\\["\\])*"').fullmatch
_escaped = re.compile(rb'\\(["\\])')


def idempotency_key(values: list[bytes]) -> str:
    """The key that all of the request's `values` agree on.

    Raises MissingIdempotencyKey or InvalidIdempotencyKey.
    """
    if not values:
        raise MissingIdempotencyKey("Send a key of your own in X-Idempotency-Key: a retry with it buys nothing twice.")
    key = unquoted(values[0])
    if any(unquoted(other) != key for other in values[1:]):
        raise InvalidIdempotencyKey("The request carries two different keys.")
    text = key.decode("latin-1")
    if _is_key(text) is None:
        raise InvalidIdempotencyKey("A key is 1 to 255 visible ASCII characters.")
    return text


def unquoted(value: bytes) -> bytes:
    """The content of a Structured Field string (RFC 9651), which the IETF draft asks for; else the value as it is."""
    if value[:1] == b'"' and _is_quoted(value):
        return _escaped.sub(rb"\1", value[1:-1])
    return value
