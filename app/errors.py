"""The root of every error that a user may be told of. How it is rendered is the HTTP edge's concern."""

from typing import ClassVar


class AtomicTicketsError(Exception):
    """An error that knows how it is told: status (HTTP), slug (the problem's type), title (fixed) and a sentence."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal Error"

    def __init__(self, detail: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class TemporarilyUnavailable(AtomicTicketsError):
    """A store is away. The same request, with the same idempotency key, may be sent again."""

    status = 503
    slug = "temporarily-unavailable"
    title = "Temporarily Unavailable"

    def __init__(self, detail: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
