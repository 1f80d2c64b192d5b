"""FlashSales on the API server: which it refuses, and why, the defaults that it fills in, and how it shows them."""

import uuid
from typing import Any

import pytest

from flashsale_operator.resource.crd import COLUMNS, schema
from flashsale_operator.resource.models import FlashSale, FlashSaleSpec, FlashSaleStatus
from flashsale_operator.resource.rules import RULES
from tests.cluster.api_server import ApiServer
from tests.cluster.kubectl import Kubectl, Refused
from tests.cluster.manifests import BASE, flashsale

pytestmark = pytest.mark.cluster

EVENING, LATER = "2030-12-01T18:00:00Z", "2030-12-01T20:00:00Z"

# For each case: the fields declared in addition to BASE, and a part of the refusal.
NEVER_MADE = {
    "unknown strategy": ({"strategy": "hope"}, 'supported values: "naive", "naive-relative"'),
    "no strategy": ({"strategy": None}, "spec.strategy: Required value"),
    "no stock": ({"stock": None}, "spec.stock: Required value"),
    "half a ticket": ({"stock": 1.5}, "must be of type integer"),
    "stock as text": ({"stock": "10"}, "must be of type integer"),
    "closes before it opens": ({"opensAt": LATER, "closesAt": EVENING}, "closesAt must be later than opensAt"),
    "closes as it opens": ({"opensAt": EVENING, "closesAt": EVENING}, "closesAt must be later than opensAt"),
    "same instant in two zones": (
        {"opensAt": EVENING, "closesAt": "2030-12-01T20:00:00+02:00"},
        "closesAt must be later than opensAt",
    ),
    "no zone": ({"opensAt": "2030-12-01T18:00:00"}, "must be of type date-time"),
    "a zone a day wide": ({"opensAt": "2030-12-01T18:00:00+24:00"}, "should match '(Z|[+-]"),
    "no time at all": ({"closesAt": "tomorrow"}, "must be of type date-time"),
    "opens in the past century": ({"opensAt": "1999-12-31T23:59:59Z"}, "opensAt must be between the years 2000"),
    "opens too far ahead": ({"opensAt": "2200-01-01T00:00:00Z"}, "opensAt must be between the years 2000 and 2200"),
    "closes too far ahead": ({"closesAt": "9999-12-31T23:59:59Z"}, "closesAt must be between the years 2000 and 2200"),
    "more least than most workers": ({"workers": {"min": 3, "max": 2}}, "workers.min must be at most workers.max"),
    "more least workers than the default allows": ({"workers": {"min": 6}}, "which is 5 by default"),
    "unknown policy": ({"reconcile": {"policy": "Guess"}}, 'supported values: "RepairSafe", "Observe"'),
    "unknown field": ({"stok": 10}, 'unknown field "spec.stok"'),
    "unknown field further in": ({"workers": {"maximum": 3}}, 'unknown field "spec.workers.maximum"'),
}
BAD_NAMES = ["friday.drop", "f" * 64, "1.5"]

# For each case: the spec in addition to BASE, the phase in the status, the change, and a part of the refusal.
NEVER_CHANGED: dict[str, tuple[dict[str, Any], str | None, dict[str, Any], str]] = {
    "another strategy": ({}, None, {"strategy": "naive"}, "strategy is fixed for the sale's life"),
    "another strategy in another round": ({}, "Closed", {"strategy": "naive", "round": 2}, "strategy is fixed"),
    "less stock": ({}, None, {"stock": 9}, "stock can only be raised within a round; to lower it, raise round too"),
    "an earlier round": ({"round": 3}, None, {"round": 2}, "round can't be lowered"),
    "no round, which is the first": ({"round": 3}, None, {"round": None}, "round can't be lowered"),
    "less stock in an earlier round": ({"round": 3}, None, {"round": 2, "stock": 9}, "round can't be lowered"),
    "opens later, once open": ({"opensAt": EVENING}, "Open", {"opensAt": LATER}, "opensAt is fixed once the sale has"),
    "opens later, once sold out": ({"opensAt": EVENING}, "SoldOut", {"opensAt": LATER}, "opensAt is fixed once"),
    "opens later, while paused": ({"opensAt": EVENING}, "Paused", {"opensAt": LATER}, "opensAt is fixed once"),
    "opens later, while the gate is gone": ({"opensAt": EVENING}, "Degraded", {"opensAt": LATER}, "opensAt is fixed"),
    "open since ever, once open": ({"opensAt": EVENING}, "Open", {"opensAt": None}, "opensAt is fixed once the sale"),
    "opens at all, once open": ({}, "Open", {"opensAt": EVENING}, "opensAt is fixed once the sale has opened"),
    "another limit, once open": ({"perCustomerLimit": 2}, "Open", {"perCustomerLimit": 3}, "perCustomerLimit is fixed"),
    "no limit, once open": ({"perCustomerLimit": 2}, "Open", {"perCustomerLimit": None}, "perCustomerLimit is fixed"),
    "another pause, once open": (
        {"thinkMilliseconds": 2},
        "Open",
        {"thinkMilliseconds": 3},
        "thinkMilliseconds is fixed",
    ),
    "no pause of its own, once open": (
        {"thinkMilliseconds": 2},
        "Open",
        {"thinkMilliseconds": None},
        "thinkMilliseconds is",
    ),
    "a limit, once open": ({}, "Draining", {"perCustomerLimit": 2}, "perCustomerLimit is fixed once the sale has"),
}
CHANGED: dict[str, tuple[dict[str, Any], str | None, dict[str, Any]]] = {
    "more stock": ({}, "Open", {"stock": 11}),
    "less stock in a new round": ({}, "SoldOut", {"stock": 1, "round": 2}),
    "rounds ahead": ({}, "SoldOut", {"round": 7}),
    "opens later, before it is seen": ({"opensAt": EVENING}, None, {"opensAt": LATER}),
    "opens later, before it opens": ({"opensAt": EVENING}, "Scheduled", {"opensAt": LATER}),
    "opens now, before it opens": ({"opensAt": EVENING}, "Scheduled", {"opensAt": None}),
    "opens later, in a new round": ({"opensAt": EVENING}, "Closed", {"opensAt": LATER, "round": 2}),
    "the same instant in another zone": ({"opensAt": EVENING}, "Open", {"opensAt": "2030-12-01T20:00:00+02:00"}),
    "another limit, before it opens": ({"perCustomerLimit": 2}, "Seeding", {"perCustomerLimit": None}),
    "a limit in a new round": ({}, "Open", {"perCustomerLimit": 2, "round": 2}),
    "a pause, before it opens": ({}, "Scheduled", {"thinkMilliseconds": 0}),
    "a pause in a new round": ({}, "Open", {"thinkMilliseconds": 200, "round": 2}),
    "closes earlier": ({"closesAt": LATER}, "Open", {"closesAt": EVENING}),
    "closes never": ({"closesAt": LATER}, "Open", {"closesAt": None}),
    "paused": ({}, "Open", {"paused": True}),
    "other workers": ({}, "Open", {"workers": {"min": 2, "max": 2, "backlogPerWorker": 1}}),
    "only watched": ({}, "Open", {"reconcile": {"policy": "Observe"}}),
}


def integers(node: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    """Return the schemas of all integers in this node and below it, by path."""
    found = {path: node} if node["type"] == "integer" else {}
    for name, child in node.get("properties", {}).items():
        found |= integers(child, f"{path}.{name}")
    return found


BOUNDED = integers(schema()["properties"]["spec"], "spec")
STATUS = FlashSaleStatus.model_validate(
    {
        "observedGeneration": 1,
        "phase": "SoldOut",
        "round": 1,
        "epoch": 1,
        "stock": {"total": 10, "remaining": 0, "backlog": 1, "booked": 9},
        "drift": {},
        "workers": {"desired": 1, "pool": 2, "ready": 2},
        "conditions": [
            {
                "type": type_,
                "status": "True",
                "reason": reason,
                "message": "As it should be.",
                "observedGeneration": 1,
                "lastTransitionTime": "2030-12-01T18:00:00.5Z",
            }
            for type_, reason in (("Ready", "InForce"), ("LedgerConsistent", "Consistent"))
        ],
        "lastReconcile": {"time": EVENING, "traceId": "4bf92f3577b34da6a3ce929d0e0e4736"},
    }
)


@pytest.mark.parametrize(("spec", "sentence"), NEVER_MADE.values(), ids=NEVER_MADE.keys())
def test_a_bad_sale_is_refused_with_a_sentence_that_helps(
    shared_api: ApiServer, spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refused) as refused:
        shared_api.create(flashsale("bad", spec))
    assert sentence in str(refused.value)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_the_http_api_would_not_take_is_refused(shared_api: ApiServer, name: str) -> None:
    with pytest.raises(Refused, match="a sale's name must be a DNS label: at most 63 characters of"):
        shared_api.create(flashsale(name))


@pytest.mark.parametrize(("spec", "phase", "change", "sentence"), NEVER_CHANGED.values(), ids=NEVER_CHANGED.keys())
def test_a_bad_change_is_refused_with_a_sentence_that_helps(
    shared_api: ApiServer, spec: dict[str, Any], phase: str | None, change: dict[str, Any], sentence: str
) -> None:
    sale = declare(shared_api, spec, phase)
    with pytest.raises(Refused) as refused:
        shared_api.patch(sale, {"spec": change})
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("spec", "phase", "change"), CHANGED.values(), ids=CHANGED.keys())
def test_a_good_change_is_taken(
    shared_api: ApiServer, spec: dict[str, Any], phase: str | None, change: dict[str, Any]
) -> None:
    sale = declare(shared_api, spec, phase)
    shared_api.patch(sale, {"spec": change})


def test_each_rule_is_among_those_refusals() -> None:
    seen = [sentence for _, sentence in NEVER_MADE.values()] + [entry[-1] for entry in NEVER_CHANGED.values()]
    seen.append("a sale's name must be a DNS label")
    for rule in (rule for rules in RULES.values() for rule in rules):
        assert any(sentence in rule.message for sentence in seen), rule.message


@pytest.mark.parametrize("path", BOUNDED)
def test_a_number_is_taken_up_to_its_bounds_and_not_beyond(shared_api: ApiServer, path: str) -> None:
    bounds = BOUNDED[path]
    for good in (bounds["minimum"], bounds["maximum"]):
        shared_api.create(with_number(path, good), dry_run=True)
    with pytest.raises(Refused, match=f"{path} in body should be greater than or equal to {bounds['minimum']}"):
        shared_api.create(with_number(path, bounds["minimum"] - 1), dry_run=True)
    with pytest.raises(Refused, match=f"{path} in body should be less than or equal to {bounds['maximum']}"):
        shared_api.create(with_number(path, bounds["maximum"] + 1), dry_run=True)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"workers": {"max": 8}, "reconcile": {"policy": "Observe"}},
        {"workers": {}, "reconcile": {}},
        {"opensAt": "2030-12-01T18:00:00.123456789+02:00", "closesAt": LATER, "perCustomerLimit": 2},
    ],
)
def test_the_server_fills_in_what_the_model_would(shared_api: ApiServer, spec: dict[str, Any]) -> None:
    stored = shared_api.get(declare(shared_api, spec))
    read = FlashSale.model_validate(stored)
    filled_in = read.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    times = {"opensAt", "closesAt"}  # the server keeps their text unchanged
    assert {key: value for key, value in filled_in.items() if key not in times} == {
        key: value for key, value in stored["spec"].items() if key not in times
    }
    assert read.spec == FlashSaleSpec.model_validate(BASE | spec)


def test_without_validation_an_unknown_field_is_pruned(shared_api: ApiServer) -> None:
    shared_api.create(flashsale("pruned", {"stok": 1}), strict=False)
    assert "stok" not in shared_api.get("flashsale/pruned")["spec"]


def test_a_status_reads_back_as_it_was_written(shared_api: ApiServer) -> None:
    sale = declare(shared_api, {})
    write_status(shared_api, sale, STATUS)
    assert FlashSale.model_validate(shared_api.get(sale)).status == STATUS
    empty = FlashSaleStatus(observed_generation=2)
    write_status(shared_api, sale, empty)
    assert FlashSale.model_validate(shared_api.get(sale)).status == empty


def test_a_spec_and_its_status_are_written_apart(shared_api: ApiServer) -> None:
    sale = declare(shared_api, {}, "Open")
    shared_api.patch(sale, {"spec": {"stock": 20}, "status": {"phase": "Closed"}})
    shared_api.patch(sale, {"spec": {"stock": 30}, "status": {"epoch": 4}}, subresource="status")
    stored = shared_api.get(sale)
    assert (stored["spec"]["stock"], stored["metadata"]["generation"]) == (20, 2)
    assert stored["status"] == {"phase": "Open", "epoch": 4}


def test_columns_show_where_a_sale_stands(api: ApiServer, kubectl: Kubectl) -> None:
    api.create(flashsale("friday-drop"))
    write_status(api, "flashsale/friday-drop", STATUS)
    for resource in ("fs", "sale", "flashsales", "atomictickets"):
        heading, row = kubectl("get", resource).splitlines()
        assert heading.split() == ["NAME", *(name.upper() for name, _, _, priority, _ in COLUMNS if not priority)]
        assert row.split()[:-1] == ["friday-drop", "SoldOut", "atomic", "10", "0", "9", "0", "True"]
    heading, row = kubectl("get", "fs", "--output=wide").splitlines()
    assert heading.split() == ["NAME", *(name.upper() for name, *_ in COLUMNS)]
    assert row.split()[1:-1] == ["SoldOut", "atomic", "10", "0", "1", "9", "0", "Consistent", "2", "True"]


def test_kubectl_waits_for_a_condition(crd: Kubectl, shared_api: ApiServer) -> None:
    sale = declare(shared_api, {})
    write_status(shared_api, sale, STATUS)
    kubectl = crd.within(shared_api.namespace)
    assert "condition met" in kubectl("wait", "--for=condition=Ready", sale, "--timeout=30s")


@pytest.mark.parametrize("field", ["spec", "status", *(f"spec.{part}" for part in ("workers", "reconcile"))])
def test_explain_says_what_each_field_is_for(crd: Kubectl, field: str) -> None:
    explained = " ".join(crd("explain", f"flashsale.{field}").split())
    described = schema()
    for part in field.split("."):
        described = described["properties"][part]
    for name, properties in described["properties"].items():
        assert f"{name} <" in explained
        assert properties["description"] in explained


def declare(api: ApiServer, spec: dict[str, Any], phase: str | None = None) -> str:
    """Declare a sale, and write its phase as the operator would. Return it as `kind/name`."""
    name = f"sale-{uuid.uuid4().hex[:8]}"
    api.create(flashsale(name, spec))
    if phase is not None:
        api.patch(f"flashsale/{name}", {"status": {"phase": phase}}, subresource="status")
    return f"flashsale/{name}"


def write_status(api: ApiServer, sale: str, status: FlashSaleStatus) -> None:
    """Write the whole status, as the operator does."""
    written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    api.patch_json(sale, [{"op": "add", "path": "/status", "value": written}], subresource="status")


def with_number(path: str, number: int) -> dict[str, Any]:
    parent, _, field = path.removeprefix("spec.").rpartition(".")
    if not parent:
        return flashsale("bound", {field: number})
    most = {"max": BOUNDED["spec.workers.max"]["maximum"]} if parent == "workers" else {}
    return flashsale("bound", {parent: most | {field: number}})
