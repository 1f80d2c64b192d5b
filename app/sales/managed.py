"""Guards for sales that belong to a FlashSale resource.

A change through the HTTP API is refused, and the error names the kubectl command to use instead.
"""

import json
from typing import Any

from app.errors import AtomicTicketsError
from app.sales.model import Sale, SaleTerms

SPEC_FIELDS = {
    "stock": "stock",
    "opens_at": "opensAt",
    "closes_at": "closesAt",
    "customer_limit": "perCustomerLimit",
    "think_ms": "thinkMilliseconds",
}


class ManagedByResource(AtomicTicketsError):
    """The sale belongs to a FlashSale resource, which would undo the requested change."""

    status, slug, title = 409, "managed-by-resource", "Managed by a Resource"

    def __init__(self, name: str, command: str) -> None:
        super().__init__(f"The sale {name!r} belongs to the resource flashsales/{name}. Instead: {command}")


def is_managed(sale: Sale) -> bool:
    """Return whether the sale belongs to a resource. An ended sale does not: its name is free for the next round."""
    return sale.managed_by == "flashsale" and sale.ended_at is None


def refuse_reset(sale: Sale, stock: int | None) -> None:
    """Raise ManagedByResource if the sale is managed. `stock` is the requested one; None keeps the present stock."""
    if is_managed(sale):
        spec = {"round": sale.round + 1} | ({} if stock is None else {"stock": stock})
        raise ManagedByResource(sale.name, patch_command(sale.name, spec))


def refuse_pause(sale: Sale, *, paused: bool) -> None:
    """Raise ManagedByResource if the sale is managed. `paused` is what was requested."""
    if is_managed(sale):
        raise ManagedByResource(sale.name, patch_command(sale.name, {"paused": paused}))


def refuse_end(sale: Sale) -> None:
    """Raise ManagedByResource if the sale is managed."""
    if is_managed(sale):
        raise ManagedByResource(sale.name, f"kubectl delete flashsale {sale.name}")


def refuse_other_terms(sale: Sale, terms: SaleTerms) -> None:
    """Raise ManagedByResource if the sale is managed."""
    if is_managed(sale):
        requested = terms.as_change_of(sale.terms)
        spec = {
            field: getattr(requested, attribute)
            for attribute, field in SPEC_FIELDS.items()
            if getattr(requested, attribute) != getattr(sale.terms, attribute)
        }
        raise ManagedByResource(sale.name, patch_command(sale.name, spec))


def patch_command(name: str, spec: dict[str, Any]) -> str:
    """Return the command that changes the resource. Times are written as RFC 3339."""
    change = json.dumps({"spec": spec}, separators=(",", ":"), default=lambda moment: moment.isoformat())
    return f"kubectl patch flashsale {name} --type merge -p '{change}'"
