"""The plan of a load. Every load is limited in requests and in time."""

import dataclasses
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from app.blasts.load.failures import InvalidPlan
from app.sales.model import MAX_QUANTITY, SALE_NAME

MAX_REQUESTS = 10_000_000  # fits into the 8 digits of a request's number, so all requests have the same length
MAX_CONCURRENCY = 5_000
MAX_SECONDS = 3_600
MAX_RETRIES = 100
KEY_PREFIX = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"  # with its number, a customer's name stays below 64 characters
PATH = r"^/[A-Za-z0-9/_.-]*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """A load: `requests` purchases of `quantity` tickets of `sale`, over `concurrency` connections to `url`.

    `customers`: customers who buy in turn; None if each request has a customer of its own
    `key_prefix`: first characters of the idempotency keys, different for each load
    `retries`: how often a request without an answer, or with a 502, 503 or 504, is sent again with the same key
    `insist`: whether a request is sent again after a 503 `contention` until `seconds` is over, without counting as a
        retry
    `rate`: requests per second, sent on a schedule that does not depend on the answers (open loop); None if each
        connection sends its next request as soon as it has an answer (closed loop)
    `seconds`: time after which nothing more is sent
    `reply_seconds`: time for which one attempt waits for its answer
    `path`: path of the purchase route
    `records`: whether the result has a record of every single request
    `trace_ratio`: share of the purchases that are traced, 0 to 1; None if the service decides
    """

    url: str
    sale: str
    requests: int = 100
    concurrency: int = 100
    customers: int | None = None
    quantity: int = 1
    key_prefix: str = field(default_factory=lambda: f"load-{secrets.token_hex(6)}")
    retries: int = 0
    insist: bool = False
    rate: float | None = None
    seconds: float = 60.0
    reply_seconds: float = 10.0
    path: str = "/buy-ticket"
    records: bool = False
    trace_ratio: float | None = None

    def __post_init__(self) -> None:
        """Raise InvalidPlan, which names the first field that is out of bounds."""
        target = urlsplit(self.url)
        require(target.scheme == "http" and bool(target.hostname), "url", "must be http://HOST[:PORT]")
        beyond = target.path.removeprefix("/") or target.query or target.fragment
        require(not beyond, "url", "must have no path and no query")
        require(re.fullmatch(r"[A-Za-z0-9.:-]+", target.hostname or "") is not None, "url", "must name a host")
        require(re.match(SALE_NAME, self.sale) is not None, "sale", "must be the name of a sale")
        require(re.match(KEY_PREFIX, self.key_prefix) is not None, "key_prefix", f"must match {KEY_PREFIX}")
        require(re.match(PATH, self.path) is not None, "path", f"must match {PATH}")
        require(1 <= self.requests <= MAX_REQUESTS, "requests", f"must be 1 to {MAX_REQUESTS}")
        require(1 <= self.concurrency <= MAX_CONCURRENCY, "concurrency", f"must be 1 to {MAX_CONCURRENCY}")
        require(self.customers is None or self.customers >= 1, "customers", "must be at least 1")
        require(1 <= self.quantity <= MAX_QUANTITY, "quantity", f"must be 1 to {MAX_QUANTITY}")
        require(0 <= self.retries <= MAX_RETRIES, "retries", f"must be 0 to {MAX_RETRIES}")
        require(self.rate is None or self.rate > 0, "rate", "must be above 0")
        require(0 < self.seconds <= MAX_SECONDS, "seconds", f"must be above 0 and at most {MAX_SECONDS}")
        require(0 < self.reply_seconds <= MAX_SECONDS, "reply_seconds", "must be above 0")
        require(self.trace_ratio is None or 0 <= self.trace_ratio <= 1, "trace_ratio", "must be 0 to 1")

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def connections(self) -> int:
        return min(self.concurrency, self.requests)

    def key(self, number: int) -> str:
        """Return the idempotency key of the request with this number."""
        return f"{self.key_prefix}-{number:08d}"

    def customer(self, number: int) -> str:
        """Return the customer of the request with this number."""
        if self.customers is None:
            return self.key(number)
        return f"buyer-{number % self.customers:08d}"

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "LoadPlan":
        """Return the plan of a JSON document. Raise InvalidPlan."""
        try:
            return cls(**document)
        except TypeError as error:
            raise InvalidPlan(f"The plan cannot be read: {error}.") from error


def require(holds: bool, name: str, rule: str) -> None:
    if not holds:
        raise InvalidPlan(f"{name} {rule}.")
