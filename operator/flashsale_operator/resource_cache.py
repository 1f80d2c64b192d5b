"""The cache of FlashSales, filled by the watch and corrected by resyncs.

An older generation of a resource never replaces a newer one.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import structlog
from pydantic import ValidationError

from flashsale_operator.resource.models import FlashSale

Owner = tuple[str, str]
"""The name and the uid of a resource."""

log = structlog.get_logger()


class ResourceCache:
    """The resources that this process knows, by name.

    `deleted` has, by name, the uids of deleted resources whose sales have not been ended yet. A part of them was only
    given up: it is no longer in `deleted` as soon as a resource of this name is seen.
    """

    def __init__(self) -> None:
        self.known: dict[str, FlashSale] = {}
        self.deleted: dict[str, set[str]] = {}
        self._given_up: set[Owner] = set()

    def upsert(self, body: Mapping[str, Any]) -> bool:
        """Store one object. Return whether the user changed it: the operator's own writes to the status don't count."""
        self._take_back({owner for owner in self._given_up if owner[0] == body["metadata"]["name"]})
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
        """Record that the resource with this uid was seen to be deleted."""
        self._given_up.discard((name, uid))
        self.deleted.setdefault(name, set()).add(uid)
        self._forget(name, uid)

    def give_up(self, absent: AbstractSet[Owner]) -> set[Owner]:
        """Take exactly these for deleted, besides those whose deletion was seen. Return the ones that are new."""
        self._take_back(self._given_up - absent)
        added = {(name, uid) for name, uid in absent if uid not in self.deleted.get(name, ())} - self._given_up
        for name, uid in added:
            self.deleted.setdefault(name, set()).add(uid)
        self._given_up |= added
        return added

    def resync(self, bodies: Iterable[Mapping[str, Any]], expected: Iterable[Owner]) -> set[str]:
        """Store a complete list. Return the names of the resources that were changed, created or are missing.

        `expected` has name and uid of each resource that was known before the list was requested: of these, the ones
        that are not in the list are no longer known. A resource that was created since then does not count as missing.
        """
        bodies = list(bodies)
        listed = {body["metadata"]["uid"] for body in bodies}
        changed = {body["metadata"]["name"] for body in bodies if self.upsert(body)}
        for name, uid in expected:
            if uid not in listed:
                self._forget(name, uid)
                changed.add(name)
        return changed

    def identities(self) -> set[Owner]:
        """Return name and uid of each known resource."""
        return {(name, flashsale.metadata.uid) for name, flashsale in self.known.items()}

    def _forget(self, name: str, uid: str) -> None:
        known = self.known.get(name)
        if known is not None and known.metadata.uid == uid:
            del self.known[name]

    def _take_back(self, owners: AbstractSet[Owner]) -> None:
        """Take these no longer for deleted. The sets themselves stay: a reconciliation may be working on one."""
        for name, uid in owners:
            self.deleted.get(name, set()).discard(uid)
        self._given_up -= owners


def user_intent(flashsale: FlashSale) -> tuple[Any, ...]:
    """Return everything that the user decides in a resource."""
    return flashsale.spec, flashsale.metadata.adopts, flashsale.metadata.generation
