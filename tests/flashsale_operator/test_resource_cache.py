"""The cache of the resources, which stays right if watch events come late, repeated or out of order."""

from typing import Any

from flashsale_operator.resource_cache import ResourceCache


def resource(name: str = "drop", uid: str = "1", generation: int = 1, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "generation": generation},
        "spec": {"strategy": "atomic", "stock": 10} | spec,
    }


def test_only_a_change_by_the_user_counts() -> None:
    resources = ResourceCache()
    assert resources.upsert(resource())
    assert not resources.upsert(resource())
    written = resource() | {"status": {"phase": "Open"}}
    assert not resources.upsert(written)
    assert resources.known["drop"].status.phase == "Open"
    assert resources.upsert(resource(generation=2, stock=11))
    adopting = resource(generation=2, stock=11)
    adopting["metadata"]["annotations"] = {"atomictickets.dev/adopt": "true"}
    assert resources.upsert(adopting)


def test_an_older_generation_does_not_replace_a_newer() -> None:
    resources = ResourceCache()
    resources.upsert(resource(generation=2, stock=11))
    assert not resources.upsert(resource(generation=1))
    assert resources.known["drop"].spec.stock == 11


def test_an_unreadable_resource_is_not_taken_for_deleted() -> None:
    resources = ResourceCache()
    resources.upsert(resource())
    unreadable = resource(stock="many")
    assert not resources.upsert(unreadable)
    assert resources.resync([unreadable], resources.identities()) == set()
    assert "drop" in resources.known


def test_a_deletion_is_of_one_uid() -> None:
    resources = ResourceCache()
    resources.upsert(resource(uid="2"))
    resources.remove("drop", "1")
    assert resources.known["drop"].metadata.uid == "2"
    assert resources.deleted == {"drop": {"1"}}


def test_a_resync_finds_what_the_watch_missed_and_takes_nothing_for_deleted() -> None:
    resources = ResourceCache()
    resources.upsert(resource("gone", uid="1"))
    resources.upsert(resource("stays", uid="2"))
    expected = resources.identities() | {("unknown here", "3")}
    resources.upsert(resource("later", uid="4"))
    changed = resources.resync([resource("stays", uid="2"), resource("new", uid="5")], expected)
    assert changed == {"gone", "new", "unknown here"}
    assert resources.known.keys() == {"stays", "later", "new"}
    assert resources.deleted == {}
