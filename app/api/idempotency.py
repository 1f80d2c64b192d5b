"""The idempotency key of a request, from `X-Idempotency-Key` or `Idempotency-Key`, plain or as a quoted string."""

import re

from app.api.errors import InvalidIdempotencyKey, MissingIdempotencyKey
from app.sales.model import IDEMPOTENCY_KEY

NAMES = frozenset({b"x-idempotency-key", b"idempotency-key"})

_is_key = re.compile(IDEMPOTENCY_KEY).fullmatch
_is_quoted = re.compile(rb'"(?:[^"\\]|\\["\\])*"').fullmatch
_escaped = re.compile(rb'\\(["\\])')


def idempotency_key(values: list[bytes]) -> str:
    """Return the idempotency key. `values` are all headers of the request that carry it.

    Raise MissingIdempotencyKey if there is none, and InvalidIdempotencyKey if it is malformed or the values differ.
    """
    if not values:
        raise MissingIdempotencyKey(
            "Send an X-Idempotency-Key of your own. A retry with the same key never buys twice."
        )
    key = unquoted(values[0])
    if any(unquoted(other) != key for other in values[1:]):
        raise InvalidIdempotencyKey("The request has two different idempotency keys. Send one.")
    text = key.decode("latin-1")
    if _is_key(text) is None:
        raise InvalidIdempotencyKey("An idempotency key must be 1 to 255 visible ASCII characters.")
    return text


def unquoted(value: bytes) -> bytes:
    """Return the content of a Structured Field string (RFC 9651, as the IETF draft asks), or else the value itself."""
    if value[:1] == b'"' and _is_quoted(value):
        return _escaped.sub(rb"\1", value[1:-1])
    return value
