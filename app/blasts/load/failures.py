"""The errors of a load, and of a purchase that gets no answer."""

from app.errors import AtomicTicketsError


class InvalidPlan(AtomicTicketsError):
    """A field of the load plan is out of bounds."""

    status, slug, title = 422, "invalid-plan", "Invalid Load Plan"


class TargetUnreachable(AtomicTicketsError):
    """Not all connections could be opened. Nothing was sent, because the buyers would not have been concurrent."""

    status, slug, title = 503, "target-unreachable", "Target Unreachable"


class LoadFailed(AtomicTicketsError):
    """The process of the load generator ended without a result."""

    status, slug, title = 500, "load-failed", "Load Failed"


class NoReply(AtomicTicketsError):
    """A request was sent, or may have been, and got no answer. It may have succeeded, so it must not be compensated."""

    status, slug, title = 504, "no-reply", "No Reply"


class ConnectionLost(NoReply):
    """The connection could not be opened, or was closed before the reply."""

    slug, title = "connection-lost", "Connection Lost"


class ReplyTimedOut(NoReply):
    """The reply did not arrive within the plan's `reply_seconds`."""

    slug, title = "reply-timed-out", "Reply Timed Out"


class MalformedReply(NoReply):
    """The bytes received are not one HTTP/1 reply with a Content-Length."""

    slug, title = "malformed-reply", "Malformed Reply"
