"""Absent resources end sales only after the grace time, which starts again whenever a resource of the name is seen."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import generate_latest

from flashsale_operator.absence import AbsenceWatch, absent_since, overdue
from flashsale_operator.metrics import OperatorMetrics
from flashsale_operator.resource_cache import Owner, ResourceCache
from tests.flashsale_operator.test_resource_cache import resource

GRACE = 300.0
OLD = 1e6  # seconds
DROP: Owner = ("drop", "1")
GAUGE = 'atomictickets_flashsale_absent_seconds{sale="drop"}'


@pytest.mark.parametrize(
    ("before", "owners", "names", "expected"),
    [
        ({}, [], [], {}),
        ({}, [DROP], ["drop"], {}),
        ({}, [DROP], ["other"], {DROP: 50.0}),
        ({DROP: 10.0}, [DROP], [], {DROP: 10.0}),
        ({DROP: 10.0}, [DROP], ["drop"], {}),  # the resource is back, with whatever uid
        ({DROP: 10.0}, [("drop", "2")], [], {("drop", "2"): 50.0}),  # adopted, and absent again
        ({DROP: 10.0}, [], [], {}),  # the sale ended, or the ledger was away
    ],
)
def test_absent_since(
    before: dict[Owner, float], owners: list[Owner], names: list[str], expected: dict[Owner, float]
) -> None:
    assert absent_since(before, owners, names, 50.0) == expected


@pytest.mark.parametrize(
    ("absent_for", "age", "ends"),
    [
        (0.0, OLD, False),
        (299.9, OLD, False),
        (300.0, OLD, True),
        (300.0, 299.9, False),  # younger than the grace time
        (300.0, -3600.0, False),  # the ledger's clock went back
        (300.0, 300.0, True),
    ],
)
def test_overdue(absent_for: float, age: float, ends: bool) -> None:
    assert overdue({DROP: 1000.0}, {DROP: age}, 1000.0 + absent_for, GRACE) == ({DROP} if ends else set())


@dataclass
class Watched:
    """A watch of absences whose clock the test moves. `ended` has what was taken for deleted, until it is ended."""

    monkeypatch: pytest.MonkeyPatch
    grace_seconds: float = GRACE
    resources: ResourceCache = field(default_factory=ResourceCache)
    metrics: OperatorMetrics = field(default_factory=lambda: OperatorMetrics(lambda: 0))

    def __post_init__(self) -> None:
        self.watch = AbsenceWatch(self.resources, self.metrics, self.grace_seconds)

    def at(self, now: float, *owners: Owner, bodies: Iterable[dict[str, Any]] = ()) -> set[str]:
        """Judge a list of `bodies` at this time. The ledger has old sales of these owners."""
        self.monkeypatch.setattr("flashsale_operator.absence.time.monotonic", lambda: now)
        bodies = list(bodies)
        self.resources.resync(bodies, self.resources.identities())
        return self.watch.judge(dict.fromkeys(owners, OLD), {body["metadata"]["name"] for body in bodies})

    @property
    def ended(self) -> dict[str, set[str]]:
        return {name: uids for name, uids in self.resources.deleted.items() if uids}

    def gauge(self) -> float | None:
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(GAUGE)), None)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_a_missed_deletion_ends_the_sale_after_the_grace_time_and_is_told_meanwhile(watched: Watched) -> None:
    assert watched.at(0, DROP) == set()
    assert (watched.gauge(), watched.ended) == (0, {})
    assert watched.at(299, DROP) == set()
    assert (watched.gauge(), watched.ended) == (299, {})
    assert watched.at(300, DROP) == {"drop"}
    assert watched.ended == {"drop": {"1"}}
    assert watched.at(330, DROP) == set()  # not ended yet, and asked for only once
    assert watched.ended == {"drop": {"1"}}
    assert watched.at(360) == set()
    assert watched.gauge() is None


def test_without_the_grace_time_the_second_list_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it is the grace time that protects the sale."""
    unprotected = Watched(monkeypatch, grace_seconds=1e-9)
    unprotected.at(0, DROP)
    assert unprotected.at(30, DROP) == {"drop"}


def test_a_resource_with_another_uid_ends_the_suspicion_before_it_has_adopted_the_sale(watched: Watched) -> None:
    watched.at(0, DROP)
    assert watched.at(299, DROP, bodies=[resource(uid="2")]) == set()
    assert watched.gauge() is None
    assert watched.at(600, DROP) == set()
    assert (watched.gauge(), watched.ended) == (0, {})


def test_an_unreadable_resource_is_not_absent(watched: Watched) -> None:
    for now in (0, 300):
        assert watched.at(now, DROP, bodies=[resource(stock="many")]) == set()


def test_a_resource_that_was_applied_after_the_list_was_requested_is_not_absent(watched: Watched) -> None:
    watched.at(0, DROP)
    watched.monkeypatch.setattr(watched.resources, "resync", lambda *_: watched.resources.upsert(resource(uid="2")))
    assert watched.at(300, DROP) == set()
    assert watched.ended == {}


@pytest.mark.parametrize("uid", ["1", "2"])
def test_a_resource_that_comes_before_the_sale_is_ended_keeps_it(watched: Watched, uid: str) -> None:
    """The ledger may be away for hours once the end is decided."""
    watched.at(0, DROP)
    watched.at(300, DROP)
    assert watched.ended == {"drop": {"1"}}
    watched.resources.upsert(resource(uid=uid))
    assert watched.ended == {}


@pytest.mark.parametrize("forgets", ["a list failed", "the ledger was away"])
def test_an_unknown_state_starts_the_grace_time_again(watched: Watched, forgets: str) -> None:
    watched.at(0, DROP)
    watched.at(300, DROP)
    if forgets == "a list failed":
        watched.watch.reset()
    else:
        watched.at(310)
    assert (watched.gauge(), watched.ended) == (None, {})
    assert watched.at(330, DROP) == set()
    assert watched.at(630, DROP) == {"drop"}


def test_a_deletion_that_was_seen_is_never_taken_back(watched: Watched) -> None:
    watched.resources.upsert(resource())
    watched.resources.remove("drop", "1")
    watched.at(0, DROP)
    watched.at(300, DROP)
    watched.resources.upsert(resource(uid="2"))
    watched.watch.reset()
    assert watched.ended == {"drop": {"1"}}


def test_a_deletion_may_be_seen_after_the_resource_was_given_up(watched: Watched) -> None:
    watched.at(0, DROP)
    watched.at(300, DROP)
    watched.resources.remove("drop", "1")
    watched.resources.upsert(resource(uid="2"))
    assert watched.ended == {"drop": {"1"}}
