"""Write purchases as HTTP requests and read the replies.

The requests of a load differ only in two numbers, so everything else is built once for each load.
"""

import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.blasts.load.failures import MalformedReply
from app.blasts.load.plan import LoadPlan

HEAD_END = b"\r\n\r\n"
REPLY_LIMIT_BYTES = 65_536  # an answer to a purchase has a few hundred bytes
PROBLEM = b"/problems/"


class PurchaseWriter:
    """The writer of one load's requests. All of them have the same length."""

    def __init__(self, plan: LoadPlan) -> None:
        key = plan.key(0)[:-8] + "%08d"
        customer = plan.customer(0)[:-8] + "%08d"
        document = {"sale": plan.sale, "customer": customer, "quantity": plan.quantity}
        body = json.dumps(document, separators=(",", ":"))
        length = len(body) - len("%08d") + 8
        head = (
            f"POST {plan.path} HTTP/1.1",
            f"Host: {urlsplit(plan.url).netloc}",
            "Content-Type: application/json",
            f"Content-Length: {length}",
            f"X-Idempotency-Key: {key}",
        )
        self._template = ("\r\n".join(head) + "\r\n\r\n" + body).encode("ascii")
        self._customers = plan.customers

    def request(self, number: int) -> bytes:
        """Return the request with this number."""
        return self._template % (number, number if self._customers is None else number % self._customers)


class Reply(NamedTuple):
    """One HTTP reply. `head` is in lower case, without the blank line. `received_at` is a monotonic time."""

    status: int
    head: bytes
    body: bytes
    received_at: float

    @property
    def replayed(self) -> bool:
        return b"\r\nidempotent-replayed: true" in self.head

    @property
    def closes(self) -> bool:
        return b"\r\nconnection: close" in self.head

    @property
    def retry_after(self) -> float | None:
        """Return the Retry-After in seconds, or None if the header is missing or is a date."""
        text = header(self.head, b"retry-after")
        try:
            return None if text is None else max(0.0, float(text))
        except ValueError:
            return None

    @property
    def trace_id(self) -> str | None:
        """Return the trace id, 32 hexadecimal digits, or None if the reply names no trace."""
        found = header(self.head, b"x-trace-id")
        return None if found is None else found.decode("ascii", "replace")

    @property
    def problem(self) -> str:
        """Return the slug of the problem document, or `http-<status>` if the body is none."""
        start = self.body.find(PROBLEM)
        end = self.body.find(b'"', start)
        if start < 0 or end < 0:
            return f"http-{self.status}"
        return self.body[start + len(PROBLEM) : end].decode("ascii", "replace")

    @property
    def reservation_id(self) -> str | None:
        """Return the reservation id, or None if the body has none, as from a route that answers a constant."""
        try:
            document: Any = json.loads(self.body)
        except ValueError:
            return None
        found = document.get("reservation_id") if isinstance(document, dict) else None
        return found if isinstance(found, str) else None


def read_reply(received: bytes, received_at: float) -> Reply | None:
    """Return the reply, or None if it is not complete yet. Raise MalformedReply."""
    head_end = received.find(HEAD_END)
    if head_end < 0:
        if len(received) > REPLY_LIMIT_BYTES:
            raise MalformedReply("The head of the reply does not end.")
        return None
    head = received[:head_end].lower()
    end = head_end + len(HEAD_END) + content_length(head)
    if len(received) < end:
        return None
    if len(received) > end or head[:7] != b"http/1.":
        raise MalformedReply(f"Not one HTTP/1 reply: {received[:100]!r}.")
    try:
        return Reply(int(head[9:12]), head, received[head_end + len(HEAD_END) :], received_at)
    except ValueError as error:
        raise MalformedReply(f"No status in {received[:100]!r}.") from error


def content_length(head: bytes) -> int:
    """Return the Content-Length of a head. Raise MalformedReply if it is missing, invalid or too large."""
    text = header(head, b"content-length")
    if text is None or not text.isdigit() or int(text) > REPLY_LIMIT_BYTES:
        raise MalformedReply(f"A reply needs a Content-Length of at most {REPLY_LIMIT_BYTES} bytes: {head[:200]!r}.")
    return int(text)


def header(head: bytes, name: bytes) -> bytes | None:
    """Return the value of the header `name`, or None. Both `head` and `name` are in lower case."""
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()
