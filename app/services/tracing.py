"""The attributes of the span of a purchase's request."""

from collections.abc import Mapping

from opentelemetry.trace import get_current_span
from opentelemetry.util.types import AttributeValue

from app.sales.model import Purchase
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Outcome, Reserved, SoldOut


def describe(purchase: Purchase, strategy: str, outcome: Outcome) -> None:
    """Set the attributes of the current span."""
    get_current_span().set_attributes(
        {
            "atomictickets.sale": purchase.sale,
            "atomictickets.strategy": strategy,
            "atomictickets.quantity": purchase.quantity,
            **outcome_attributes(outcome),
        }
    )


def outcome_attributes(outcome: Outcome) -> Mapping[str, AttributeValue]:
    """Return the attributes of an outcome. Ids and counts are attributes only, so that spans have few names."""
    match outcome:
        case Reserved(reservation):
            return {
                "atomictickets.round": reservation.round,
                "atomictickets.reservation_id": str(reservation),
            }
        case SoldOut(remaining):
            return {"atomictickets.remaining": remaining}
        case CustomerLimitReached(held, limit):
            return {"atomictickets.held": held, "atomictickets.limit": limit}
        case NotOpen(reason):
            return {"atomictickets.reason": reason}
        case KeyReused():
            return {}
