"""The order and the wording in which a report shows its pairs."""

from typing import Any

from app.blasts.witnesses import Witnesses


def pair(pods: tuple[str, str], trace_id: str | None = "ab" * 16, **side: Any) -> dict[str, Any]:
    both = {
        "guards": "stock",
        "version_read": "741",
        "value_read": 3,
        "version_written": "742",
        "value_written": 2,
        "reservation_id": "drop.1.1-0.aa",
        "trace_id": trace_id,
    } | side
    return {"hazard": "lost-update", "first": both | {"pod": pods[0]}, "second": both | {"pod": pods[1]}}


def test_two_pods_that_collide_are_shown_first() -> None:
    pairs = [pair(("api-1", "api-1")), pair(("api-1", "api-2"))]
    lines = Witnesses.of(2, 3, pairs, None).lines(most=1)
    assert lines == [
        "lost-update: api-1 and api-2 read version 741, 3 left, and both wrote",
        "  version 742, 2 left: drop.1.1-0.aa",
        "    trace " + "ab" * 16,
        "  version 742, 2 left: drop.1.1-0.aa",
        "    trace " + "ab" * 16,
    ]


def test_a_trace_has_a_page_where_jaeger_is_known_and_it_was_sampled() -> None:
    known = Witnesses.of(1, 2, [pair(("a", "b"))], "http://jaeger/trace/{trace_id}")
    assert known.pairs[0]["second"]["trace_url"] == "http://jaeger/trace/" + "ab" * 16
    assert Witnesses.of(1, 2, [pair(("a", "b"))], None).pairs[0]["second"]["trace_url"] is None
    unsampled = Witnesses.of(1, 2, [pair(("a", "b"), trace_id=None)], "http://jaeger/trace/{trace_id}")
    assert unsampled.pairs[0]["first"]["trace_url"] is None
    assert not any("trace" in line for line in unsampled.lines(most=1))


def test_a_limit_is_described_by_what_the_customer_holds() -> None:
    lines = Witnesses.of(1, 2, [pair(("a", "b"), guards="customer", version_read="0", value_read=0)], None).lines(1)
    assert lines[0] == "lost-update: a and b read version 0, 0 held, and both wrote"
