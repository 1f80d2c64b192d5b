"""The operator's Role: each right in it is needed, and the operator has no other rights."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.installation import ACCOUNT, ROLE, Installation
from tests.cluster.kubectl import Kubectl
from tests.cluster.manifests import flashsale

pytestmark = pytest.mark.cluster

Works = Callable[[Installation], bool]

# For each right, as (resource, verb): a check that succeeds with the right and fails without it.
NEEDED: dict[tuple[str, str], Works] = {
    ("flashsales", "get"): lambda installation: installation.status().get("round") == 2,
    ("flashsales", "list"): lambda installation: installation.status().get("phase") == "Open",
    ("flashsales", "watch"): lambda installation: installation.status().get("phase") == "Open",
    ("flashsales/status", "patch"): lambda installation: installation.status() != {},
    ("deployments", "get"): lambda installation: installation.replicas() == 2,
    ("deployments/scale", "get"): lambda installation: installation.replicas() == 2,
    ("deployments/scale", "patch"): lambda installation: installation.replicas() == 2,
    ("leases", "get"): lambda installation: installation.holder() != "",
    ("leases", "update"): lambda installation: installation.holder() != "",
    ("events", "create"): lambda installation: "Seeded" in installation.reasons(),
}


def test_with_all_rights_everything_works(installation: Installation) -> None:
    installation.set_up()
    use_every_right(installation)
    for works in NEEDED.values():
        installation.until(lambda works=works: works(installation))  # type: ignore[misc]  # a default binds it
    assert "is forbidden" not in installation.operators[0].log.read_text()


@pytest.mark.parametrize(("resource", "verb"), NEEDED, ids=map(" ".join, NEEDED))
def test_without_a_right_something_breaks(installation: Installation, resource: str, verb: str) -> None:
    installation.set_up(without(resource, verb))
    use_every_right(installation)
    # Once the API server has refused the request, the step that needed the right has not happened and cannot follow.
    installation.until(lambda: f'cannot {verb} resource "{resource}"' in log_of(installation))
    assert not NEEDED[resource, verb](installation)


def test_the_table_has_each_right_of_the_role() -> None:
    rights = {(resource, verb) for rule in ROLE["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert rights == NEEDED.keys()


def test_nothing_else_is_allowed(installation: Installation, kubectl: Kubectl) -> None:
    installation.set_up()
    installation.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}})
    granted = rights_of(kubectl, ACCOUNT) - rights_of(kubectl, "nobody")
    assert granted == {
        (named(resource, rule["apiGroups"][0]), tuple(rule.get("resourceNames", ())), tuple(rule["verbs"]))
        for rule in ROLE["rules"]
        for resource in rule["resources"]
    }


def log_of(installation: Installation) -> str:
    """Return all that the operator has logged, and the messages of the sale's conditions."""
    return installation.operators[0].log.read_text().replace("\\", "") + installation.messages("drop")


def use_every_right(installation: Installation) -> None:
    """Declare a sale with two workers, delete it and declare it again. Each step waits until it is done or refused."""
    sale = flashsale("drop", {"workers": {"min": 2}})
    installation.start_operator(OPERATOR_RESYNC_SECONDS="3600")

    def refused() -> bool:
        return "is forbidden" in log_of(installation)

    installation.until(lambda: refused() or installation.holder() != "")
    installation.api.create(sale)
    installation.until(lambda: refused() or installation.status().get("phase") == "Open")
    installation.api.delete("flashsale/drop")
    installation.api.create(sale)


def without(resource: str, verb: str) -> list[dict[str, Any]]:
    """Return the Role's rules except for one verb on one resource."""
    rules: list[dict[str, Any]] = copy.deepcopy(ROLE["rules"])
    (rule,) = (rule for rule in rules if resource in rule["resources"] and verb in rule["verbs"])
    rule["verbs"].remove(verb)
    return [rule for rule in rules if rule["verbs"]]


def rights_of(kubectl: Kubectl, account: str) -> set[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return the rights that `kubectl auth can-i --list` prints, as resource, names and verbs."""
    user = f"system:serviceaccount:{kubectl.namespace}:{account}"
    table = kubectl("auth", "can-i", "--list", f"--as={user}", "--no-headers")
    row = re.compile(r"(?P<resource>\S*)\s+\[[^]]*\]\s+\[(?P<names>[^]]*)\]\s+\[(?P<verbs>[^]]*)\]")
    found = filter(None, map(row.fullmatch, map(str.strip, table.splitlines())))
    return {(match["resource"], tuple(match["names"].split()), tuple(match["verbs"].split())) for match in found}


def named(resource: str, group: str) -> str:
    """Return the resource's name as kubectl prints it, such as `deployments.apps/scale`."""
    kind, slash, part = resource.partition("/")
    return f"{kind}{'.' if group else ''}{group}{slash}{part}"
