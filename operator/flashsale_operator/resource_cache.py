"""The FlashSales that this process knows of: told by a watch, corrected by lists. Older never replaces newer."""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from pydantic import ValidationError

from flashsale_operator.resource.models import FlashSale

log = structlog.get_logger()


class ResourceCache:
    """By name. `deleted` has the uids of resources that went, until their sales are ended."""

    def __init__(self) -> None:
        self.known: dict[str, FlashSale] = {}
        self.deleted: dict[str, set[str]] = {}

    def upsert(self, body: Mapping[str, Any]) -> bool:
        """Takes in one object; True where something of it changed that the operator did not write itself."""
        try:
            flashsale = FlashSale.model_validate(body)
        except ValidationError as error:
            name = body.get("metadata", {}).get("name")
            log.warning("a resource can't be read; is its definition of another release?", sale=name, error=str(error))
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
        """The resource of this uid is gone."""
        self.deleted.setdefault(name, set()).add(uid)
        known = self.known.get(name)
        if known is not None and known.metadata.uid == uid:
            del self.known[name]

    def resync(self, bodies: Iterable[Mapping[str, Any]], expected: Iterable[tuple[str, str]]) -> set[str]:
        """Takes in a complete list; returns the names of which something changed.

        `expected`: names and uids that were there before the list was asked for. What came since is not missing.
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
        """Names and uids."""
        return {(name, flashsale.metadata.uid) for name, flashsale in self.known.items()}


def user_intent(flashsale: FlashSale) -> tuple[Any, ...]:
    """All that a user decides."""
    return flashsale.spec, flashsale.metadata.adopts, flashsale.metadata.generation
