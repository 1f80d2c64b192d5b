"""What the span of a purchase's request tells of it."""

from opentelemetry.trace import get_current_span
from opentelemetry.util.types import AttributeValue

from app.sales.model import Purchase
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Outcome, Reserved, SoldOut
from app.telemetry.spans import OUTCOME


def describe(purchase: Purchase, strategy: str, outcome: Outcome) -> None:
    """Sets the attributes of the current span."""
    asked: dict[str, AttributeValue] = {
        "atomictickets.sale": purchase.sale,
        "atomictickets.strategy": strategy,
        "atomictickets.quantity": purchase.quantity,
    }
    get_current_span().set_attributes(asked | told_of(outcome))


def told_of(outcome: Outcome) -> dict[str, AttributeValue]:
    """An outcome's attributes. Ids and counts are in attributes alone: a span's name is one of a few."""
    match outcome:
        case Reserved(reservation, _, replayed):
            return {
                OUTCOME: "replayed" if replayed else "reserved",
                "atomictickets.round": reservation.round,
                "atomictickets.reservation_id": str(reservation),
            }
        case SoldOut(remaining):
            return {OUTCOME: "sold-out", "atomictickets.remaining": remaining}
        case CustomerLimitReached(held, limit):
            return {OUTCOME: "customer-limit", "atomictickets.held": held, "atomictickets.limit": limit}
        case KeyReused():
            return {OUTCOME: "idempotency-key-reused"}
        case NotOpen(why, _):
            return {OUTCOME: why}
