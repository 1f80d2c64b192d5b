"""The report and its claims, as tables. A claim that no wrong figure can refute would prove nothing."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.blasts.load.plan import LoadPlan
from app.blasts.load.result import Latency, LoadResult, PurchaseRecord
from app.blasts.witnesses import Witnesses
from app.lab.comparison.claims import claims_of_one
from app.lab.comparison.figures import Identity, SideFigures
from app.lab.comparison.report import ComparisonReport
from app.lab.comparison.sides import SIDES, figures_of

ATOMIC = SideFigures(
    sale="atomic-drop",
    strategy="atomic",
    promises_exactness=True,
    stock=10,
    requests=100,
    concurrency=100,
    accepted=10,
    sold_out=90,
    errors=0,
    booked=10,
    oversold=0,
    undersold=0,
    counter_says=10,
    duplicates=0,
    accepted_but_not_booked=0,
    accepted_twice=0,
    latency=Latency(0.004, 0.0061, 0.0075, 0.0081),
    answered_per_second=9876.5,
    accepted_per_second=2500.0,
    persisted_per_second=123.4,
    seconds_to_consistent=0.081,
    identity=Identity(stock=10, remaining=0, backlog=0, booked=10),
)
SIDE = {
    "pod": "api-1",
    "guards": "stock",
    "version_read": "741",
    "value_read": 10,
    "value_written": 9,
    "trace_id": "ab" * 16,
}
PAIR = {
    "hazard": "lost-update",
    "first": SIDE | {"version_written": "742", "reservation_id": "naive-drop.1.1795459930462-0.8e6ffee3d27669f1"},
    "second": SIDE
    | {"pod": "api-2", "version_written": "745", "reservation_id": "naive-drop.1.1795459930463-0.0123456789abcdef"},
}
NAIVE = replace(
    ATOMIC,
    sale="naive-drop",
    strategy="naive",
    promises_exactness=False,
    accepted=97,
    sold_out=3,
    booked=97,
    oversold=87,
    counter_says=4,
    identity=Identity(stock=10, remaining=6, backlog=0, booked=97),
    witnesses=Witnesses.of(91, 97, [PAIR], "http://127.0.0.1:16686/trace/{trace_id}"),
)


def refuted(figures: SideFigures) -> list[str]:
    return [claim.claim for claim in claims_of_one(figures) if not claim.holds]


@pytest.mark.parametrize("figures", [ATOMIC, NAIVE])
def test_every_claim_holds_for_a_run_as_promised(figures: SideFigures) -> None:
    assert refuted(figures) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"accepted": 11}, "accepts exactly its stock"),
        ({"accepted": 9}, "accepts exactly its stock"),
        ({"sold_out": 89}, "refuses all others"),
        ({"booked": 9}, "as many bookings as tickets"),
        ({"oversold": 1}, "as many bookings as tickets"),
        ({"undersold": 1}, "as many bookings as tickets"),
        ({"counter_says": 9}, "counter and ledger agree"),
        ({"identity": Identity(stock=10, remaining=1, backlog=0, booked=10)}, "identity adds up"),
        ({"identity": Identity(stock=11, remaining=1, backlog=0, booked=10)}, "identity adds up"),
        ({"identity": Identity(stock=10, remaining=1, backlog=0, booked=9)}, "identity adds up"),
        ({"errors": 1}, "answers every buyer"),
        ({"sold_out": 91}, "answers every buyer"),
        ({"accepted_but_not_booked": 1}, "keeps its promises"),
        ({"booked": 11}, "keeps its promises"),
        ({"accepted_twice": 1}, "to no buyer twice"),
        ({"duplicates": 1}, "to no buyer twice"),
        ({"seconds_to_consistent": None}, "has caught up"),
        ({"identity": Identity(stock=10, remaining=0, backlog=1, booked=10)}, "has caught up"),
    ],
)
def test_a_wrong_figure_refutes_its_claim(wrong: dict[str, Any], sentence: str) -> None:
    assert any(sentence in claim for claim in refuted(replace(ATOMIC, **wrong)))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"booked": 10, "oversold": 0, "accepted": 10}, "oversells"),
        ({"oversold": 88}, "oversells"),
        ({"counter_says": 97}, "counter hides it"),
        ({"accepted_but_not_booked": 1}, "keeps its promises"),
        ({"errors": 2}, "answers every buyer"),
        ({"witnesses": Witnesses()}, "has witnesses"),
    ],
)
def test_a_race_that_did_no_damage_refutes_the_naive_claims(wrong: dict[str, Any], sentence: str) -> None:
    assert any(sentence in claim for claim in refuted(replace(NAIVE, **wrong)))


def test_naive_figures_pass_for_exact_ones_nowhere() -> None:
    assert len(refuted(replace(NAIVE, promises_exactness=True))) == 5


REPORT = ComparisonReport(
    sides=(NAIVE, ATOMIC),
    started_at="2026-01-02T03:04:05+00:00",
    machine={"cores": 2},
    versions={"python": "3.11.7"},
)


def test_the_report_holds_only_if_all_claims_do() -> None:
    assert REPORT.holds
    assert not replace(REPORT, sides=(NAIVE, replace(ATOMIC, booked=11))).holds
    assert not replace(REPORT, sides=()).holds


def test_the_json_has_the_fields_of_the_contract() -> None:
    document = json.loads(json.dumps(REPORT.as_json()))
    assert list(document) == ["sides", "claims", "machine", "versions", "started_at"]
    assert document["sides"][1] == {
        "sale": "atomic-drop",
        "strategy": "atomic",
        "stock": 10,
        "requests": 100,
        "concurrency": 100,
        "accepted": 10,
        "sold_out": 90,
        "errors": 0,
        "booked": 10,
        "oversold": 0,
        "undersold": 0,
        "counter_says": 10,
        "duplicates": 0,
        "latency_ms": {"p50": 4.0, "p95": 6.1, "p99": 7.5, "max": 8.1},
        "answered_per_second": 9876.5,
        "accepted_per_second": 2500.0,
        "persisted_per_second": 123.4,
        "seconds_to_consistent": 0.081,
        "identity": {"stock": 10, "remaining": 0, "backlog": 0, "booked": 10},
        "witnesses": {"total": 0, "written": 0, "pairs": []},
    }
    assert document["sides"][0]["witnesses"]["total"] == 91
    assert document["sides"][0]["witnesses"]["pairs"][0]["first"]["trace_url"].endswith("/trace/" + "ab" * 16)
    assert {frozenset(claim) for claim in document["claims"]} == {frozenset({"claim", "holds"})}


def line(text: str, label: str) -> list[str]:
    return next(found.removeprefix(label).split() for found in text.splitlines() if found.startswith(label))


def test_the_text_puts_the_strategies_side_by_side() -> None:
    text = REPORT.text()
    assert line(text, "100 buyers, 100 at once, 10 tickets") == ["naive", "atomic"]
    assert line(text, "OVERSOLD") == ["87", "0"]
    assert line(text, "answers per second") == ["9,876", "9,876"]
    assert line(text, "tickets sold according to the counter") == ["4", "10"]
    assert line(text, "pairs that read one version and both wrote") == ["91", "0"]
    assert "lost-update: api-1 and api-2 read version 741, 10 left, and both wrote" in text
    assert "trace http://127.0.0.1:16686/trace/" + "ab" * 16 in text
    assert " ".join(line(text, "stock = remaining + backlog + booked")) == "10 != 6 + 0 + 97 10 = 0 + 0 + 10"
    assert "naive sold 97 of 10 tickets, 87 too many; its counter shows 4." in text
    assert "atomic sold 10 of 10 tickets, and its counter agrees." in text
    assert all(len(found) <= 90 for found in text.splitlines())
    assert "FAILS" not in text


def test_the_text_says_which_claim_fails() -> None:
    text = replace(REPORT, sides=(NAIVE, replace(ATOMIC, counter_says=9))).text()
    failing = [found for found in text.splitlines() if "FAILS" in found]
    assert len(failing) == 1
    assert "atomic-drop's counter and ledger agree: 9 and 10 sold." in failing[0]


def test_other_loads_get_a_table_of_their_own() -> None:
    single = replace(ATOMIC, sale="atomic-single", stock=1)
    text = replace(REPORT, sides=(NAIVE, ATOMIC, single)).text()
    assert line(text, "100 buyers, 100 at once, 1 ticket") == ["atomic"]


def accepted(number: int, **other: Any) -> PurchaseRecord:
    record = PurchaseRecord(number, f"k-{number}", f"c-{number}", "accepted", 200, 0.01, 1, False, f"drop.1.{number}")
    return replace(record, **other)


def measured(records: tuple[PurchaseRecord, ...], consistent_at: float | None = 1002.0) -> SideFigures:
    outcomes = {"accepted": len(records), "sold-out": 97 - len(records), "customer-limit": 3}
    result = LoadResult(
        plan=LoadPlan(url="http://127.0.0.1:8000", sale="drop"),
        outcomes=outcomes,
        errors=0,
        replayed=0,
        retried=0,
        latency=Latency(0.1, 0.2, 0.3, 0.4),
        lag=Latency(0, 0, 0, 0),
        started_at=1000.0,
        seconds=1.5,
        accepted_seconds=0.5,
        records=records,
    )
    sale = {
        "strategy": "atomic",
        "stock": 10,
        "booked": 10,
        "oversold": 0,
        "undersold": 0,
        "counter_says": 10,
        "duplicates": 0,
        "identity": {"stock": 10, "remaining": 0, "backlog": 0, "booked": 10, "set_aside": 0, "holds": True},
    }
    return figures_of(SIDES[1], result, sale, consistent_at=consistent_at, accepted_but_not_booked=0)


def test_rates_and_times_count_from_the_first_request() -> None:
    figures = measured(tuple(accepted(number) for number in range(10)))
    assert figures.answered_per_second == pytest.approx(100 / 1.5)
    assert figures.accepted_per_second == 20.0
    assert figures.persisted_per_second == 5.0
    assert figures.seconds_to_consistent == 1.5


def test_an_answer_that_is_neither_yes_nor_sold_out_is_an_error() -> None:
    assert measured((accepted(0),)).errors == 3


def test_a_ledger_that_never_caught_up_has_no_time() -> None:
    figures = measured((accepted(0),), consistent_at=None)
    assert (figures.seconds_to_consistent, figures.persisted_per_second) == (None, 0.0)


@pytest.mark.parametrize(
    ("other", "repeated"), [({}, 0), ({"reservation_id": "drop.1.0"}, 1), ({"customer": "c-0"}, 1)]
)
def test_repeated_answers_are_counted(other: dict[str, Any], repeated: int) -> None:
    assert measured((accepted(0), accepted(1, **other))).accepted_twice == repeated
