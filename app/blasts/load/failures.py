"""What keeps a purchase, or a whole load, from being answered."""

from app.errors import AtomicTicketsError


class InvalidPlan(AtomicTicketsError):
    status, slug, title = 422, "invalid-plan", "Invalid Load Plan"


class TargetUnreachable(AtomicTicketsError):
    """Not every connection could be opened, so the buyers would not have been concurrent: nothing was sent."""

    status, slug, title = 503, "target-unreachable", "Target Unreachable"


class LoadFailed(AtomicTicketsError):
    """The generator's process ended without a result."""

    status, slug, title = 500, "load-failed", "Load Failed"


class NoReply(AtomicTicketsError):
    """A request left, or may have left, and no answer came: the outcome is unknown, never a failure to compensate."""

    status, slug, title = 504, "no-reply", "No Reply"


class ConnectionLost(NoReply):
    slug, title = "connection-lost", "Connection Lost"


class ReplyTimedOut(NoReply):
    slug, title = "reply-timed-out", "Reply Timed Out"


class MalformedReply(NoReply):
    slug, title = "malformed-reply", "Malformed Reply"
