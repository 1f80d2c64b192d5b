"""The committed CRD matches the models, and every field of it has a description and bounds."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from app.strategies.registry import strategy_names
from flashsale_operator.resource.crd import SCHEMA_VERSION, definition, render, schema
from flashsale_operator.resource.models import FlashSale
from flashsale_operator.resource.rules import RULES
from tests.support.project import PROJECT

DIGESTS = {
    "1": "3f4cb4b67db3bd56",
    "2": "c5f9c41aee7caa1a",
    "3": "e80801137b4decaa",
    "4": "87edc09ad1f14065",
    "5": "c7ab82e19c76e54b",
}
"""The digest of the schema of each version. A change of the schema must raise SCHEMA_VERSION in crd.py and add one."""


def test_the_committed_file_is_up_to_date() -> None:
    assert (PROJECT / "k8s" / "crd.yaml").read_text() == render(), "k8s/crd.yaml is stale: run `make crd`"


def test_the_printed_definition_reads_back() -> None:
    assert yaml.safe_load(render()) == definition()


def test_a_changed_schema_has_a_version_of_its_own() -> None:
    digest = hashlib.sha256(json.dumps(schema(), sort_keys=True).encode()).hexdigest()
    assert DIGESTS.get(SCHEMA_VERSION) == digest[:16]


def test_every_strategy_of_the_registry_may_be_declared() -> None:
    assert tuple(fields(schema())["spec.strategy"]["enum"]) == strategy_names()


def test_every_field_is_described_and_every_number_bounded() -> None:
    for path, field in fields(schema()).items():
        assert field["type"]
        if path.startswith(("spec", "status")):
            assert field["description"], path
        if field["type"] == "integer":
            assert {"minimum", "maximum"} <= field.keys(), path
        assert not field.keys() & {"$ref", "anyOf", "title", "exclusiveMinimum"}, path


def test_every_rule_stands_somewhere() -> None:
    places = {
        path for path, field in ({"": schema()} | fields(schema())).items() if "x-kubernetes-validations" in field
    }
    assert places == RULES.keys()


@pytest.mark.parametrize("part", ["workers", "reconcile"])
def test_the_default_of_an_object_is_written_out_in_full(part: str) -> None:
    field = fields(schema())[f"spec.{part}"]
    assert field["default"] == {name: child["default"] for name, child in field["properties"].items()}


def test_a_status_has_no_defaults() -> None:
    assert not [path for path, field in fields(schema()).items() if path.startswith("status") and "default" in field]


def test_fields_of_a_newer_crd_are_ignored() -> None:
    sale = FlashSale.model_validate(
        {
            "metadata": {"name": "drop", "namespace": "default", "uid": "u", "managedFields": []},
            "spec": {"strategy": "atomic", "stock": 10, "colour": "red"},
            "status": {"phase": "Open", "mood": "good"},
        }
    )
    assert (sale.spec.stock, sale.status.phase, sale.status.conditions) == (10, "Open", ())


@pytest.mark.parametrize(("annotations", "adopts"), [({}, False), ({"atomictickets.dev/adopt": "true"}, True)])
def test_only_the_annotation_adopts(annotations: dict[str, str], *, adopts: bool) -> None:
    metadata = {"name": "drop", "namespace": "default", "uid": "u", "annotations": annotations}
    sale = FlashSale.model_validate({"metadata": metadata, "spec": {"strategy": "atomic", "stock": 10}})
    assert sale.metadata.adopts is adopts


def fields(node: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return all fields of a schema by their path."""
    return dict(_below(node, ""))


def _below(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}{name}", child
        yield from _below(child, f"{path}{name}.")
    if items := node.get("items"):
        yield f"{path}[]", items
        yield from _below(items, f"{path}[].")
