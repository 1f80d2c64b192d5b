"""A finding shows its smallest witness, and a history that cannot be judged is refused with the number of the line."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.races.history.check import check
from app.races.history.events import InvalidHistory
from tests.support.history import History


def evidence(history: History, anomaly: str) -> list[str]:
    (found,) = [found for found in history.verdict().findings if found.anomaly == anomaly]
    return list(found.evidence)


def test_two_buyers_of_one_ticket_are_the_witness_of_overselling() -> None:
    history = History(stock=2).won("ada", "r1").won("bob", "r2").buy("eve", "r3").booking("r3", "eve", ticket=1)
    (found,) = history.verdict().findings
    assert found.sentence == "drop, round 1: 3 tickets are booked, but the stock is 2. Two buyers hold the same ticket:"
    assert found.evidence == ["booking r1: ticket 1", "booking r3: ticket 1"]


def test_the_closest_two_of_many_writers_are_the_witness() -> None:
    history = History()
    for pod, read_at in (("api-1", 1.0), ("api-2", 3.0), ("api-3", 1.1)):
        history.attempt(pod, "lost-update", "7", read_at=read_at, wrote_at=5.0)
    first, second = evidence(history, "lost-update")
    assert "api-1 read 5 at 1.0" in first
    assert "api-3 read 5 at 1.1" in second


def test_the_fewest_bookings_beyond_the_limit_are_the_witness() -> None:
    history = History(limit=2)
    for number, quantity in enumerate((1, 1, 2, 1)):
        history.won("ada", f"r{number}", key=f"k{number}", quantity=quantity)
    assert len(evidence(history, "limit-exceeded")) == 2


def test_one_later_buyer_is_a_smaller_witness_of_a_false_sold_out_than_two() -> None:
    history = History().buy("ada", "sold-out", quantity=2).won("bob", "r1", 2).won("eve", "r2", 4)
    history.won("dan", "r3", 6, quantity=2)
    assert [line.split(" asked")[0].split(": ")[1] for line in evidence(history, "false-sold-out")] == [
        "ada-k-0.0",
        "dan-k-6",
    ]


def test_a_crash_is_named_beside_what_was_lost() -> None:
    history = History().note("api-1", "info", "crash", {}, 2.0).buy("ada", "r1")
    (found,) = history.verdict().findings
    assert "api-1 had died" in found.sentence


def test_traces_are_named() -> None:
    lines = [json.loads(line) for line in History().buy("ada", "r1").lines]
    lines[1]["trace_id"] = "4bf92f3577b34da6a3ce929d0e0e4736"
    (found,) = check(json.dumps(line) for line in lines).findings
    assert found.anomaly == "lost-order"
    stale = History().attempt("api-1", "stale-guard", "7").attempt("api-2", "stale-guard", "7")
    events = [json.loads(line) | {"trace_id": f"t{number}"} for number, line in enumerate(stale.lines)]
    (found,) = check(json.dumps(event) for event in events).findings
    assert ["(trace t1)" in found.evidence[0], "(trace t2)" in found.evidence[1]] == [True, True]


def changed(number: int, **fields: Any) -> list[str]:
    """Return a good history with the fields of one line changed."""
    lines = [json.loads(line) for line in History().won("ada", "r1").lines]
    lines[number] |= fields
    return [json.dumps(line) for line in lines]


BAD = {
    "no JSON": (["{"], "Line 1 is not JSON"),
    "no object": (["[]"], "Line 1 is not a JSON object"),
    "no type": (changed(1, type="maybe"), "Line 2: type must be one of fail, info, invoke, ok"),
    "no function": (changed(1, function="sell"), "Line 2: function must be one of"),
    "no process": (changed(1, process=""), "Line 2: process must be a name"),
    "no time": (changed(1, time="noon"), "Line 2: time must be a number"),
    "no value": (changed(1, value=None), "Line 2: value must be an object"),
    "no customer": (changed(1, value={"sale": "drop", "key": "k"}), "Line 2: value.customer must be a string"),
    "a stock that is no number": (changed(0, value={"sale": "drop", "stock": "ten"}), "Line 1: value.stock must be"),
    "an answer without a question": (changed(1, process="bob"), "Line 3: ada-k-0.0 gets an answer without a request"),
    "a second question before the answer": (
        changed(2, type="invoke"),
        "Line 3: ada-k-0.0 still waits for an answer (line 2)",
    ),
    "back in time": (changed(1, time=-20.0), "Line 2: requests and answers must be in the order of time"),
    "no booking's status": (
        History().buy("ada", "r1").booking("r1", "ada", status="maybe").lines,
        "no booking has the status 'maybe'",
    ),
    "a booking without a key": (
        changed(3, value={"bookings": [{"reservation_id": "r1", "sale": "drop"}], "complete": True}),
        "Line 4: a booking lacks 'round'",
    ),
    "no hazard": (History().attempt("api-1", "mischief", "7").lines, "Line 2: 'mischief' is not a valid Anomaly"),
    "cut short": (History().won("ada", "r1").lines[:-1], "does not end with the ledger's last page"),
    "something after the end": (History().lines * 2, "Line 3: nothing may follow"),
}


@pytest.mark.parametrize(("lines", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_judged_is_refused(lines: list[str], words: str) -> None:
    with pytest.raises(InvalidHistory) as refused:
        check(lines)
    assert words in refused.value.detail


def test_bookings_may_come_in_pages_and_lines_may_be_empty() -> None:
    *purchases, last = History().won("ada", "r1").lines
    first = json.loads(last)
    first["value"]["complete"] = False
    rest = json.loads(last)
    rest["value"]["bookings"] = []
    verdict = check([*purchases, "", json.dumps(first), json.dumps(rest)])
    assert (verdict.clean, verdict.bookings, verdict.purchases, verdict.events) == (True, 1, 1, 5)


STRANGE: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=3) | st.just([1]) | st.just({})
)
WHOLE = (
    History(limit=2)
    .won("ada", "r1")
    .buy("bob", "sold-out", 2)
    .restock("release", 4.0, reservation_id="r1")
    .attempt("api-1", "lost-update", "7")
    .note("api-1", "info", "crash", {}, 2.0)
    .left(3)
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_a_field_it_is_judged_or_refused(data: st.DataObject) -> None:
    lines = [json.loads(line) for line in WHOLE.lines]
    event = data.draw(st.sampled_from(lines))
    place = data.draw(st.sampled_from([event, event["value"], *event["value"].get("bookings", [])]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(STRANGE)
    with suppress(InvalidHistory):
        check(json.dumps(line) for line in lines)
