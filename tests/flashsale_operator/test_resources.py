"""What is known of the resources, however late, often and mixed up it is told."""

from typing import Any

from flashsale_operator.resources import Resources


def told(name: str = "drop", uid: str = "1", generation: int = 1, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "generation": generation},
        "spec": {"strategy": "atomic", "stock": 10} | spec,
    }


def test_only_wishes_wake() -> None:
    resources = Resources()
    assert resources.see(told())
    assert not resources.see(told())
    written = told() | {"status": {"phase": "Open"}}
    assert not resources.see(written)
    assert resources.known["drop"].status.phase == "Open"
    assert resources.see(told(generation=2, stock=11))
    adopting = told(generation=2, stock=11)
    adopting["metadata"]["annotations"] = {"atomictickets.dev/adopt": "true"}
    assert resources.see(adopting)


def test_an_older_generation_does_not_replace_a_newer() -> None:
    resources = Resources()
    resources.see(told(generation=2, stock=11))
    assert not resources.see(told(generation=1))
    assert resources.known["drop"].spec.stock == 11


def test_what_can_not_be_read_is_left_alone_and_not_taken_for_deleted() -> None:
    resources = Resources()
    resources.see(told())
    unreadable = told(stock="many")
    assert not resources.see(unreadable)
    assert resources.correct([unreadable], resources.identities()) == set()
    assert "drop" in resources.known


def test_a_deletion_is_of_one_uid() -> None:
    resources = Resources()
    resources.see(told(uid="2"))
    resources.forget("drop", "1")
    assert resources.known["drop"].metadata.uid == "2"
    assert resources.deleted == {"drop": {"1"}}


def test_a_list_tells_what_nobody_saw() -> None:
    resources = Resources()
    resources.see(told("gone", uid="1"))
    resources.see(told("stays", uid="2"))
    expected = resources.identities() | {("unknown here", "3")}
    resources.see(told("later", uid="4"))
    changed = resources.correct([told("stays", uid="2"), told("new", uid="5")], expected)
    assert changed == {"gone", "new", "unknown here"}
    assert resources.known.keys() == {"stays", "later", "new"}
    assert resources.deleted == {"gone": {"1"}, "unknown here": {"3"}}
