"""What a load is asked to do. Every load is bounded in requests and in time."""

import dataclasses
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from app.blasts.load.failures import InvalidPlan
from app.sales.model import MAX_QUANTITY, SALE_NAME

MAX_REQUESTS = 10_000_000  # numbers are written with 8 digits, so that every request has the same length
MAX_CONCURRENCY = 5_000
MAX_SECONDS = 3_600
MAX_RETRIES = 20
KEY_PREFIX = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"  # with the number behind it, a customer's name stays below 64
PATH = r"^/[A-Za-z0-9/_.-]*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """`requests` purchases of `quantity` tickets of `sale`, over `concurrency` connections to `url`.

    customers      how many customers take turns; None: every request is a customer of its own
    key_prefix     of the idempotency keys: one load, one prefix
    retries        how often a request without an answer, or with a 502, 503 or 504, is sent again with the same key
    insist         whether a 503 `contention` is sent again for as long as `seconds` lasts, and is no retry
    rate           requests per second, sent on schedule whatever the answers do (open loop);
                   None: each connection sends as soon as it was answered (closed loop)
    seconds        after this nothing more is sent
    reply_seconds  how long one attempt waits for its answer
    records        whether the result tells of every single request
    trace_ratio    how many of the purchases are traced, 0 to 1; None: the service decides
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
        """Raises InvalidPlan, naming the first field that is out of bounds."""
        target = urlsplit(self.url)
        require(target.scheme == "http" and bool(target.hostname), "url", "must be http://HOST[:PORT]")
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
        return f"{self.key_prefix}-{number:08d}"

    def customer(self, number: int) -> str:
        if self.customers is None:
            return self.key(number)
        return f"buyer-{number % self.customers:08d}"

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "LoadPlan":
        try:
            return cls(**document)
        except TypeError as error:
            raise InvalidPlan(f"The plan can't be read: {error}.") from error


def require(holds: bool, name: str, rule: str) -> None:
    if not holds:
        raise InvalidPlan(f"{name} {rule}.")
