"""The cache of FlashSales, filled by the watch and corrected by resyncs.

An older generation of a resource never replaces a newer one.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from pydantic import ValidationError

from flashsale_operator.resource.models import FlashSale

log = structlog.get_logger()


class ResourceCache:
    """The resources that this process knows, by name.

    `deleted` has, by name, the uids of deleted resources whose sales have not been ended yet.
    """

    def __init__(self) -> None:
        self.known: dict[str, FlashSale] = {}
        self.deleted: dict[str, set[str]] = {}

    def upsert(self, body: Mapping[str, Any]) -> bool:
        """Store one object. Return whether the user changed it: the operator's own writes to the status don't count."""
        try:
            flashsale = FlashSale.model_validate(body)
        except ValidationError as error:
            name = body.get("metadata", {}).get("name")
            log.warning("FlashSale can't be read; is its CRD from another release?", sale=name, error=str(error))
            return False
        before = self.known.get(flashsale.metadata.name)
        if before is not None and before.metadata.uid == flashsale.metadata.uid:
            if flashsale.metadata.generation < before.metadata.generation:
                return False
            changed = user_intent(before) != user_intent(flashsale)
        else:
            changed = True
        self.known[flashsale.metadata.name] = flashsale
        return changed

    def remove(self, name: str, uid: str) -> None:
        """Record that the resource with this uid has been deleted."""
        self.deleted.setdefault(name, set()).add(uid)
        known = self.known.get(name)
        if known is not None and known.metadata.uid == uid:
            del self.known[name]

    def resync(self, bodies: Iterable[Mapping[str, Any]], expected: Iterable[tuple[str, str]]) -> set[str]:
        """Store a complete list. Return the names of the resources that were changed, created or deleted.

        `expected` has name and uid of each resource that existed before the list was requested: of these, the ones that
        are not in the list have been deleted. A resource that was created since then does not count as missing.
        """
        bodies = list(bodies)
        listed = {body["metadata"]["uid"] for body in bodies}
        changed = {body["metadata"]["name"] for body in bodies if self.upsert(body)}
        for name, uid in expected:
            if uid not in listed:
                self.remove(name, uid)
                changed.add(name)
        return changed

    def identities(self) -> set[tuple[str, str]]:
        """Return name and uid of each known resource."""
        return {(name, flashsale.metadata.uid) for name, flashsale in self.known.items()}


def user_intent(flashsale: FlashSale) -> tuple[Any, ...]:
    """Return everything that the user decides in a resource."""
    return flashsale.spec, flashsale.metadata.adopts, flashsale.metadata.generation
