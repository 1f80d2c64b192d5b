"""The sales whose resources no list has: each ends after a grace time, unless a resource of its name comes back.

A list that lacks a resource does not prove that a user deleted it. After a disaster the ledger is restored before the
resources are applied again, and they get new uids. An ended sale can't be resumed, so an absence must last.
"""

import time
from collections.abc import Collection, Mapping

import structlog

from flashsale_operator.metrics import OperatorMetrics
from flashsale_operator.resource_cache import Owner, ResourceCache

log = structlog.get_logger()


def absent_since(
    before: Mapping[Owner, float], owners: Collection[Owner], names: Collection[str], now: float
) -> dict[Owner, float]:
    """Return the owners of sales whose names have no resource, and since when, in seconds of the clock of `now`.

    `before` is what the last call returned, `owners` are those of the ledger's sales, and `names` those of the
    resources. An owner that is not in `before` is absent from now on.
    """
    return {owner: before.get(owner, now) for owner in owners if owner[0] not in names}


def overdue(since: Mapping[Owner, float], ages: Mapping[Owner, float], now: float, grace_seconds: float) -> set[Owner]:
    """Return the owners whose absence has lasted for the grace time, and whose sales are older than it.

    `ages` are those of the sales, in seconds by the ledger's clock.
    """
    return {owner for owner, first in since.items() if min(now - first, ages[owner]) >= grace_seconds}


class AbsenceWatch:
    """Judges each list of the resources. Its memory is lost with the process, and the grace time then starts again."""

    def __init__(self, resources: ResourceCache, metrics: OperatorMetrics, grace_seconds: float) -> None:
        self._resources = resources
        self._metrics = metrics
        self._grace_seconds = grace_seconds
        self._since: dict[Owner, float] = {}

    def judge(self, ages: Mapping[Owner, float], listed: Collection[str]) -> set[str]:
        """Take the resources whose absence is overdue for deleted. Return the names of their sales, each only once.

        `ages` has the owners that were read in the ledger before the list was requested, and the ages of their sales.
        `listed` has all names in the list. A resource that was seen since then is present as well.
        """
        now, names = time.monotonic(), {*listed, *self._resources.known}
        before, self._since = self._since, absent_since(self._since, ages, names, now)
        for name, uid in sorted(self._since.keys() - before.keys()):
            log.warning(
                "no resource declares the sale; it ends after the grace time",
                sale=name,
                uid=uid,
                grace_seconds=self._grace_seconds,
            )
        for name, uid in sorted(before.keys() - self._since.keys()):
            if name in names:
                log.info("a resource declares the sale again", sale=name, uid=uid)
        given_up = self._resources.give_up(overdue(self._since, ages, now, self._grace_seconds))
        for name, uid in sorted(given_up):
            seconds = round(now - self._since[name, uid], 1)
            log.warning("the sale ends: no list had its resource", sale=name, uid=uid, absent_seconds=seconds)
        self._metrics.record_absences({name: first for (name, _), first in self._since.items()})
        return {name for name, _ in given_up}

    def reset(self) -> None:
        """Forget all absences: a list failed, or another process decides now."""
        self._since = {}
        self._resources.give_up(set())
        self._metrics.record_absences({})
