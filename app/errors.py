"""The base classes of all errors that may be shown to a user. The HTTP layer renders them."""

from typing import ClassVar


class AtomicTicketsError(Exception):
    """An error that knows how it is shown to a user.

    `status`: the HTTP status.
    `slug`: the name of the problem type.
    `title`: fixed for the type.
    `detail`: a sentence about this occurrence.
    `retry_after_seconds`: when to try again, if that helps.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal Error"

    def __init__(self, detail: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class TemporarilyUnavailable(AtomicTicketsError):
    """A store is away. The same request may be sent again, with the same idempotency key."""

    status = 503
    slug = "temporarily-unavailable"
    title = "Temporarily Unavailable"

    def __init__(self, detail: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
