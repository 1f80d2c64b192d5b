"""The load generator's records become lines of a history that the check can read."""

from typing import Any

from app.blasts.load.plan import LoadPlan
from app.blasts.load.result import Latency, LoadResult, PurchaseRecord
from app.lab.race.history import History, answer_of
from app.races.history.check import check
from app.races.history.findings import Anomaly

RESERVATION = "drop.1.5-0.00000000000000aa"
NONE = Latency(0, 0, 0, 0)


def record(outcome: str, status: int, number: int = 0, **fields: Any) -> PurchaseRecord:
    known = {"latency": 0.5, "attempts": 1, "replayed": False, "reservation_id": None, "sent_at": 100.0}
    return PurchaseRecord(number, f"k{number}", f"c{number}", outcome, status, **known | fields)


def result(*records: PurchaseRecord) -> LoadResult:
    plan = LoadPlan(url="http://127.0.0.1:1", sale="drop")
    return LoadResult(
        plan=plan, outcomes={}, errors=0, replayed=0, retried=0, latency=NONE, lag=NONE, started_at=0.0, seconds=0.0,
        accepted_seconds=0.0, records=records,
    )  # fmt: skip


def booking(reservation: str, number: int) -> dict[str, Any]:
    row = {"sale": "drop", "round": 1, "quantity": 1, "status": "booked", "ticket": 1}
    return row | {"reservation_id": reservation, "customer": f"c{number}", "key": f"k{number}"}


def test_an_answer_is_ok_fail_or_info() -> None:
    assert answer_of(record("accepted", 200, reservation_id=RESERVATION)) == (
        "ok",
        {"reservation_id": RESERVATION, "round": 1, "replayed": False},
    )
    assert answer_of(record("sold-out", 400)) == ("fail", {"outcome": "sold-out"})
    assert answer_of(record("contention", 503)) == ("fail", {"outcome": "contention"})
    assert answer_of(record("temporarily-unavailable", 503))[0] == "info"
    assert answer_of(record("connection-lost", 0))[0] == "info"


def test_a_history_is_what_the_check_reads() -> None:
    history = History()
    history.opened("drop", 1, 1, None, at=99.0)
    history.bought(
        result(
            record("accepted", 200, 1, reservation_id=RESERVATION),
            record("sold-out", 400, 2, sent_at=102.0),
            record("connection-lost", 0, 3, sent_at=100.1),
        )
    )
    history.bookings = [booking(RESERVATION, 1)]
    history.counters["drop"] = {"round": 1, "remaining": 0, "backlog": 0}
    assert history.verdict().findings == ()
    assert history.verdict().purchases == 3


def test_attempts_of_one_customer_are_not_taken_for_another_ones() -> None:
    history = History()
    history.bookings = [booking("r1", 1), booking("r2", 2), booking("r3", 2)]
    attempt = {"hazard": "write-skew", "guards": "customer", "version_read": "0", "read_at": 1.0, "wrote_at": 2.0}
    history.attempted("drop", [attempt | {"reservation_id": f"r{number}", "pod": "api"} for number in (1, 2, 3)])
    counts = {finding.anomaly: finding.count for finding in history.verdict().findings}
    assert counts[Anomaly.WRITE_SKEW] == 1


def test_histories_of_several_sales_are_one() -> None:
    one, other = History(), History()
    one.opened("drop", 1, 1, None, at=5.0)
    other.opened("other", 1, 1, None, at=4.0)
    one.merge(other)
    lines = [*one.lines()]
    assert ["other" in lines[0], "drop" in lines[1], "complete" in lines[-1]] == [True, True, True]


def test_a_verdict_of_a_race_names_no_lines_as_its_history_is_in_no_file() -> None:
    history = History()
    history.opened("drop", 1, 1, None, at=99.0)
    history.bought(result(record("accepted", 200, 1, reservation_id=RESERVATION)))
    (numbered,) = check([*history.lines()]).findings
    (plain,) = history.verdict().findings
    assert numbered.evidence[0] == f"line 2: {plain.evidence[0]}"
    assert "line" not in plain.sentence
